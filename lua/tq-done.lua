-- TQ.DONE: note that someone inside is done.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, token
-- RETURNS: integer, 1 a place is free, 0 was neither admitted nor inside
-- COMPLEXITY: O(log n)
local event, _, tickets, _, journal, dedupe0, dedupe1, replay0, replay1, admitted, inside = unpack(KEYS)
local requestId, token = unpack(ARGV)
-- USES: clock, state, typed, dedupe, leaving, passes, ending, replay

local before = replayed()
if before then
  return before
end
local text = redis.call('HGET', tickets, 't' .. token)
if not text then
  return 0
end
local state = readEvent(
  'seq', 'clock', 'journal', 'remember_ms', 'dedupe_ttl_ms', 'done_total', 'dedupe', 'dedupe_ends0', 'dedupe_ends1'
)
local now, stamp = readClock(state.clock)
local held = readPass(text)
if not isLive(held, now) then
  return 0
end
checkHashes(dedupe0, dedupe1, replay0, replay1)
redis.call('XLEN', journal)
redis.call('ZCARD', admitted)
redis.call('ZCARD', inside)

local generations = { state.dedupe, state.dedupe_ends0, state.dedupe_ends1 }
local dedupeMs, rememberMs = tonumber(state.dedupe_ttl_ms or 300000), tonumber(state.remember_ms or 600000)
endPass(generations, token, held, 'left', 'REVOKED', dedupeMs, rememberMs, now)
local seq = string.format('%.0f', tonumber(state.seq) + 1)
local ms = string.format('%.0f', stamp)
if state.journal ~= 'none' then
  redis.call('XADD', journal, ms .. '-' .. seq, 'type', 'done', 'token', token, 'user', held.user)
end
redis.call('HSET', event, 'seq', seq, 'clock', ms, 'done_total', (state.done_total or 0) + 1)
return record(1, now)
