-- TQ.RESUME: end a pause.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId
-- RETURNS: status OK
-- COMPLEXITY: O(1)
local event, _, _, _, _, _, _, replay0, replay1 = unpack(KEYS)
local requestId = ARGV[1]
-- USES: clock, state, typed, replay

local before = replayed()
if before then
  return before
end
local state = readEvent('clock', 'paused')
if not state.paused then
  return { ok = 'OK' }
end
local now = readClock(state.clock)
checkHashes(replay0, replay1)
redis.call('HDEL', event, 'paused')
return record({ ok = 'OK' }, now)
