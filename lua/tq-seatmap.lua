-- TQ.SEATMAP: list seats with their states, in pages.
-- KEYS: event (hash), seats (hash)
-- ARGV: cursor, count
-- RETURNS: array [cursor, [seat, state, user, expires_ms, …]], state free, held or sold
-- COMPLEXITY: O(k), k seats of the page
local event, seats = unpack(KEYS)
local cursor, count = unpack(ARGV)
-- USES: clock, seats

local now = readClock(redis.call('HGET', event, 'clock'))
local page = redis.call(
  'HSCAN', seats, cursor ~= '' and cursor or '0', 'MATCH', 's*', 'COUNT', count ~= '' and count or 100
)
local result = {}
for i = 1, #page[2], 2 do
  local hold = parseHold(page[2][i + 1], now)
  -- A seat of what is sold by number exists only while it is taken.
  if not (hold.free and hold.pool == 1) then
    local state = hold.free and 'free' or hold.sold and 'sold' or 'held'
    local at = #result
    result[at + 1] = string.sub(page[2][i], 2)
    result[at + 2] = state
    result[at + 3] = not hold.free and hold.user
    result[at + 4] = state == 'held' and hold.deadline
  end
end
return { page[1], result }
