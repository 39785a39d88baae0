-- TQ.VERIFY: check a pass, and let its owner in the first time.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, pass
-- RETURNS: array [status, user, ttl_ms], status VALID, EXPIRED, REVOKED or INVALID
-- COMPLEXITY: O(log n)
local event, _, tickets, _, journal, dedupe0, dedupe1, _, _, admitted, inside = unpack(KEYS)
local requestId, pass = unpack(ARGV)
-- USES: clock, state, dedupe, passes, claiming

local state = readEvent('layout', 'seq', 'clock', 'closed', 'stay_ms', 'journal')
local now, stamp = readClock(state.clock)
local token = redis.call('HGET', tickets, 'p' .. pass)
if not token then
  local gone = recall('p' .. pass, now)
  return { gone and string.match(gone, '^%d+,(%u+)') or 'INVALID', false, false }
end
local held = readPass(redis.call('HGET', tickets, 't' .. token))
if not isLive(held, now) then
  return { 'EXPIRED', false, false }
end
if held.state == 'admitted' then
  if state.closed then
    return { 'REVOKED', false, false }
  end
  redis.call('XLEN', journal)
  redis.call('ZCARD', admitted)
  redis.call('ZCARD', inside)
  claim(state, token, held, now, stamp)
end
return { 'VALID', held.user, held.deadline > 0 and held.deadline - now or -1 }
