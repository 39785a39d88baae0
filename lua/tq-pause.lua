-- TQ.PAUSE: stop joins, admissions or both, for now.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, layout, direction
-- RETURNS: status OK
-- COMPLEXITY: O(1)
local event, _, _, _, _, _, _, replay0, replay1 = unpack(KEYS)
local requestId, layout, direction = unpack(ARGV)
-- USES: clock, state, opening, typed, replay

local before = replayed()
if before then
  return before
end
local state = readEvent('layout', 'clock')
local now = readClock(state.clock)
checkHashes(replay0, replay1)
if state.layout ~= '1' then
  local refusal = openEvent(state.layout, layout)
  if refusal then
    return refusal
  end
end
redis.call('HSET', event, 'paused', direction ~= '' and direction or 'ALL')
return record({ ok = 'OK' }, now)
