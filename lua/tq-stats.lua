-- TQ.STATS: count what waits, was let in, left, is held and sold.
-- KEYS: event (hash), line (zset), tickets (hash), admitted (zset), inside (zset), holds (zset), stock (hash)
-- ARGV: none
-- RETURNS: map of counts
-- COMPLEXITY: O(s log n), s sections
local event, line, tickets, admitted, inside, holds, stock = unpack(KEYS)
-- USES: clock, state, tickets, seats, admission

local COUNTERS = {
  'admitted_total', 'left_total', 'dequeued_total', 'expired_total', 'dropped_total', 'duplicates_total', 'done_total',
  'migrated_total',
}
local state = readEvent('clock', 'pace', 'rate', 'capacity', unpack(COUNTERS))
local now = readClock(state.clock)
for _, name in ipairs(COUNTERS) do
  state[name] = tonumber(state[name] or 0)
end
local after = string.format('(%.0f', now)
local function overIn(key)
  return redis.call('ZCOUNT', key, '(-inf', string.format('%.0f', now))
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
    admitted = redis.call('ZCOUNT', admitted, after, '+inf'),
    inside = redis.call('ZCOUNT', inside, after, '+inf'),
    joined_total = waiting + state.admitted_total + state.left_total + state.dequeued_total + state.dropped_total,
    admitted_total = state.admitted_total,
    left_total = state.left_total,
    dequeued_total = state.dequeued_total,
    -- A pass that ran out counts at once, whether or not anything has cleaned it up yet.
    expired_total = state.expired_total + state.dropped_total + overIn(admitted) + overIn(inside),
    duplicates_total = state.duplicates_total,
    done_total = state.done_total,
    migrated_total = state.migrated_total,
    rate = { double = paceOf(state, now) },
    eta_ms = etaOf(state, waiting + 1, now) or -1,
    oldest_wait_ms = oldest,
    seats_total = total,
    seats_available = total - sold - held,
    seats_held = held,
    seats_sold = sold,
  },
}
