-- TQ.STATUS: say where a token is, without moving anything.
-- KEYS: event (hash), line (zset), tickets (hash), dedupe:0 (hash), dedupe:1 (hash)
-- ARGV: requestId, token
-- RETURNS: map state, position, total, ready, eta_ms, waited_ms, poll_after_ms, expires_ms; nil for an unknown token
-- COMPLEXITY: O(log n)
local event, line, tickets, dedupe0, dedupe1 = unpack(KEYS)
local requestId, token = unpack(ARGV)
-- USES: clock, tickets, dedupe

local now = readClock(redis.call('HGET', event, 'clock'))
local status = {
  state = 'waiting', position = false, total = math.max(redis.call('ZCARD', line) - 1, 0), ready = 0,
  eta_ms = false, waited_ms = false, poll_after_ms = false, expires_ms = false,
}
local number = redis.call('ZSCORE', line, token)
if number then
  status.position = redis.call('ZRANK', line, token)
  status.waited_ms = math.max(now - (tonumber((readTicket(number))) or now), 0)
  status.eta_ms = -1
  status.poll_after_ms = math.min(1000 + 20 * status.position, 30000)
  return { map = status }
end
local left = recall('t' .. token, now)
if left then
  status.state = string.match(left, '^%d+,%d+,(%a+)')
  return { map = status }
end
return false
