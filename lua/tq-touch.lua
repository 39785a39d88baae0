-- TQ.TOUCH: note that people in the line are still there.
-- KEYS: event (hash), line (zset), seen (zset)
-- ARGV: requestId, token…
-- RETURNS: integer, how many of the tokens wait
-- COMPLEXITY: O(k log n), k tokens
local event, line, seen = unpack(KEYS)
-- USES: clock, state, hearing

if #ARGV > 501 then
  return redis.error_reply('ERR too many tokens in one call, at most 500')
end
local state = readEvent('clock', 'idle_ms')
local now = readClock(state.clock)
local scores = redis.call('ZMSCORE', line, unpack(ARGV, 2))
local waiting = {}
for i = 2, #ARGV do
  if scores[i - 1] then
    waiting[#waiting + 1] = ARGV[i]
  end
end
if #waiting > 0 and tonumber(state.idle_ms or 0) > 0 then
  local failure = hear(waiting, tonumber(state.idle_ms), now)
  if failure then
    return failure
  end
end
return #waiting
