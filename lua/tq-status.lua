-- TQ.STATUS: say where a token is, without moving anything.
-- KEYS: event (hash), line (zset), tickets (hash), dedupe:0 (hash), dedupe:1 (hash), admitted (zset), inside (zset), seen (zset)
-- ARGV: requestId, token
-- RETURNS: map state, position, total, ready, eta_ms, waited_ms, poll_after_ms, expires_ms; nil for an unknown token
-- COMPLEXITY: O(log n)
local event, line, tickets, dedupe0, dedupe1, admitted, inside, seen = unpack(KEYS)
local requestId, token = unpack(ARGV)
-- USES: clock, state, tickets, admission

local state = readEvent(
  'clock', 'closed', 'paused', 'rate', 'burst', 'capacity', 'admit', 'idle_ms', 'opens_at_ms', 'bucket', 'bucket_at',
  'remember_ms', 'pace', 'admitted_total'
)
local now = readClock(state.clock)
local status = {
  state = 'waiting', position = false, total = math.max(redis.call('ZCARD', line) - 1, 0), ready = 0,
  eta_ms = false, waited_ms = false, poll_after_ms = false, expires_ms = false,
}
local number = redis.call('ZSCORE', line, token)
if number then
  local joined = tonumber((readTicket(number))) or now
  if tonumber(state.idle_ms or 0) > 0 then
    -- USES: hearing
    hear({ token }, tonumber(state.idle_ms), now)
  end
  local position = redis.call('ZRANK', line, token)
  status.position = position
  status.waited_ms = math.max(now - joined, 0)
  status.eta_ms = etaOf(state, position, now) or -1
  status.poll_after_ms = pauseBeforeAsking(state, position, now)
  if state.admit ~= 'manual' and allowance(state, now) >= position then
    status.ready = 1
  end
  return { map = status }
end
local held = state.admitted_total and redis.call('HGET', tickets, 't' .. token)
if held then
  -- USES: passes
  held = readPass(held)
  if isLive(held, now) then
    status.state = held.state
    status.ready = (held.state == 'inside' or not state.closed) and 1 or 0
    status.expires_ms = held.deadline > 0 and held.deadline
    return { map = status }
  end
  if held.deadline + tonumber(state.remember_ms or 600000) >= now then
    status.state = 'expired'
    return { map = status }
  end
  return false
end
-- USES: dedupe
local gone = recall('t' .. token, now)
if gone then
  status.state = string.match(gone, '^%d+,%d+,(%a+)')
  return { map = status }
end
return false
