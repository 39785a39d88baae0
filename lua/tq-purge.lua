-- TQ.PURGE: delete an event's data.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, limit
-- RETURNS: array [remaining, deleted], numbers of keys
-- COMPLEXITY: O(1), freed in the background
local event = KEYS[1]
local requestId, limit = unpack(ARGV)
-- USES: clock, state

local state = readEvent('clock', 'closed', 'purging')
local limited = tonumber(limit ~= '' and limit or #KEYS)
local there = {}
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    there[#there + 1] = KEYS[i]
  end
end
-- While only part is gone nobody may write: the event counts as closed, and as gone. A mark that CLOSE made
-- stays; one that is there for the purge alone goes with the last key.
local hasMark = redis.call('EXISTS', event) == 1
local keepsMark = state.closed and not state.purging
local deleted = 0
for i = 1, math.min(#there, limited) do
  redis.call('UNLINK', there[i])
  deleted = deleted + 1
end
local left = #there - deleted
if not hasMark or keepsMark then
  if deleted > 0 and keepsMark then
    redis.call('HSET', event, 'closed', string.format('%.0f', readClock(state.clock)))
  end
  return { left, deleted }
end
if left == 0 and deleted < limited then
  redis.call('UNLINK', event)
  return { 0, deleted + 1 }
end
redis.call('HSET', event, 'purging', '1', 'closed', string.format('%.0f', readClock(state.clock)))
return { left + 1, deleted }
