-- TQ.DEQUEUE: take a user's oldest entries out of the line.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, user, count, id
-- RETURNS: array of [id, token], oldest first
-- COMPLEXITY: O(k log n), k entries taken
local event, line, tickets, users, journal, dedupe0, dedupe1, replay0, replay1, _, _, seen = unpack(KEYS)
local requestId, user, count, id = unpack(ARGV)
-- USES: clock, users, tickets, entries, messages, typed, dedupe, leaving, taking, replay, once

local before = replayed()
if before then
  return before
end
local state = redis.call(
  'HMGET', event, 'seq', 'clock', 'journal', 'dedupe_ttl_ms', 'remember_ms', 'dequeued_total', 'dedupe',
  'dedupe_ends0', 'dedupe_ends1', 'layout', 'closed'
)
local now, stamp = readClock(state[2])
if not state[10] or (state[11] and tonumber(state[11]) <= now) then
  return {}
end
local dedupeMs = tonumber(state[4] or 300000)
local digest = id ~= '' and digestOf('DEQUEUE', user, count)
before = givenBefore(id, digest, now)
if before then
  return before
end
local generations = { state[7], state[8], state[9] }
local taken = entriesOf(user, count ~= '' and tonumber(count) or 1)
checkHashes(dedupe0, dedupe1, replay0, replay1)
redis.call('XLEN', journal)
redis.call('ZCARD', seen)
if #taken == 0 then
  return keepFor(generations, id, digest, {}, dedupeMs, now)
end

local result = {}
for i = 1, #taken do
  taken[i].token = redis.call('ZRANGEBYSCORE', line, taken[i].number, taken[i].number)[1]
  taken[i].id = idOf(taken[i].ms, taken[i].number)
  result[i] = { taken[i].id, taken[i].token }
end
takeOut(taken)
local seq = tonumber(state[1])
local ms = string.format('%.0f', stamp)
for i = 1, #taken do
  local entry = taken[i]
  bury(generations, 'left', entry.token, entry, dedupeMs, tonumber(state[5] or 600000), now)
  seq = seq + 1
  if state[3] ~= 'none' then
    redis.call(
      'XADD', journal, ms .. '-' .. string.format('%.0f', seq), 'type', 'dequeued', 'token', entry.token, 'user', user
    )
  end
end
redis.call(
  'HSET', event, 'seq', string.format('%.0f', seq), 'clock', ms, 'dequeued_total', (state[6] or 0) + #taken
)
return record(keepFor(generations, id, digest, result, dedupeMs, now), now)
