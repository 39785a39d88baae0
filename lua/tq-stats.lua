-- TQ.STATS: count what waits, was let in, left, is held and sold.
-- KEYS: event (hash), line (zset), tickets (hash), admitted (zset), inside (zset), holds (zset), stock (hash)
-- ARGV: none
-- RETURNS: map of counts
-- COMPLEXITY: O(s log n), s sections
local event, line, tickets, admitted, inside, holds, stock = unpack(KEYS)
-- USES: clock, tickets, seats

local state = redis.call(
  'HMGET', event, 'clock', 'admitted_total', 'left_total', 'dequeued_total', 'expired_total', 'duplicates_total',
  'dropped_total'
)
local now = readClock(state[1])
for i = 2, 7 do
  state[i] = tonumber(state[i] or 0)
end
local waiting = math.max(redis.call('ZCARD', line) - 1, 0)
local oldest = 0
local front = redis.call('ZRANGE', line, 1, 1, 'WITHSCORES')
if front[2] then
  oldest = math.max(now - (tonumber((readTicket(front[2]))) or now), 0)
end
local total, sold, held = 0, 0, 0
for pool = 0, tonumber(redis.call('HGET', stock, 'pools') or 1) do
  local ofPool, soldOfPool, live = countPool(pool, now)
  total, sold, held = total + ofPool, sold + soldOfPool, held + live
end
return {
  map = {
    waiting = waiting,
    admitted = math.max(redis.call('ZCARD', admitted) - 1, 0),
    inside = math.max(redis.call('ZCARD', inside) - 1, 0),
    joined_total = waiting + state[2] + state[3] + state[4] + state[7],
    admitted_total = state[2],
    left_total = state[3],
    dequeued_total = state[4],
    expired_total = state[5] + state[7],
    duplicates_total = state[6],
    eta_ms = -1,
    oldest_wait_ms = oldest,
    seats_total = total,
    seats_available = total - sold - held,
    seats_held = held,
    seats_sold = sold,
  },
}
