-- TQ.ADMIT: let people in from the front of the line.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, seed, signed, count, force, id
-- RETURNS: array of [token, user, pass, expires_ms], in line order
-- COMPLEXITY: O(k log n), k people let in
local event, line, tickets, users, journal, dedupe0, dedupe1, replay0, replay1, admitted, inside, seen = unpack(KEYS)
local requestId, seed, _, count, force, id = unpack(ARGV)
-- USES: clock, state, users, tickets, entries, typed, dedupe, leaving, taking, replay, once, admission, letting

local before = replayed()
if before then
  return before
end
local state = readEvent(
  'layout', 'seq', 'clock', 'closed', 'paused', 'rate', 'burst', 'capacity', 'pass_ttl_ms', 'idle_ms', 'idle_since',
  'opens_at_ms', 'bucket', 'bucket_at', 'journal', 'remember_ms', 'dedupe_ttl_ms', 'admitted_total', 'dropped_total',
  'pace', 'dedupe', 'dedupe_ends0', 'dedupe_ends1'
)
local now, stamp = readClock(state.clock)
if isGone(state, now) then
  return {}
end
local generations = { state.dedupe, state.dedupe_ends0, state.dedupe_ends1 }
local dedupeMs = tonumber(state.dedupe_ttl_ms or 300000)
local digest = id ~= '' and digestOf('ADMIT', count, force)
before = givenBefore(id, digest, now)
if before then
  return before
end
checkHashes(tickets, dedupe0, dedupe1, replay0, replay1)
redis.call('XLEN', journal)
for _, key in ipairs({ users, admitted, inside, seen }) do
  redis.call('ZCARD', key)
end

local room, level = allowance(state, now)
local wanted = tonumber(count ~= '' and count or 1)
if force ~= '' and isOpen(state, now) then
  room = wanted
end
local chosen, absent = chooseFront(state, math.min(room, wanted), now)
local result = {}
if #chosen + #absent == 0 then
  return keepFor(generations, id, digest, result, dedupeMs, now)
end
letIn(state, chosen, absent, level, force ~= '', seed, now, stamp)
for i = 1, #chosen do
  result[i] = { chosen[i].token, chosen[i].user, chosen[i].pass, chosen[i].deadline }
end
generations = redis.call('HMGET', event, 'dedupe', 'dedupe_ends0', 'dedupe_ends1')
return record(keepFor(generations, id, digest, result, dedupeMs, now), now)
