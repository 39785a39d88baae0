-- TQ.CLOSE: end joins, entries and holds for good.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, layout
-- RETURNS: status OK
-- COMPLEXITY: O(1)
local event = KEYS[1]
-- USES: clock, state, opening

-- The mark outlives the data by ninety days, so that nobody opens the event again by accident.
local MARK_MS = 7776000000

local state = readEvent('layout', 'clock', 'closed', 'retain_ms')
if state.closed then
  return { ok = 'OK' }
end
local now = readClock(state.clock)
if state.layout ~= '1' then
  local refusal = openEvent(state.layout, ARGV[2])
  if refusal then
    return refusal
  end
end
local deadline = now + tonumber(state.retain_ms or 86400000)
redis.call('HSET', event, 'closed', string.format('%.0f', deadline))
redis.call('PEXPIREAT', event, string.format('%.0f', deadline + MARK_MS))
for i = 2, #KEYS do
  redis.call('PEXPIREAT', KEYS[i], string.format('%.0f', deadline))
end
return { ok = 'OK' }
