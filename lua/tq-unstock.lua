-- TQ.UNSTOCK: withdraw seats that are free from sale: all or none.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, seat…
-- RETURNS: array [status, total, count], status UNSTOCKED or SEAT_UNAVAILABLE
-- COMPLEXITY: O(k log n), k seats named
local event, _, _, users, journal, _, _, replay0, replay1, _, _, _, seats, holds, stock = unpack(KEYS)
local requestId = ARGV[1]
-- USES: clock, state, typed, replay, seats

if #ARGV > 501 then
  return redis.error_reply('ERR too many seats in one call, at most 500')
end
local before = replayed()
if before then
  return before
end
local state = readEvent('layout', 'seq', 'clock', 'closed', 'journal')
local now, stamp = readClock(state.clock)
if isGone(state, now) then
  return { 'UNSTOCKED', 0, 0 }
end
checkHashes(replay0, replay1)
redis.call('XLEN', journal)
redis.call('ZCARD', users)
local total = countPool(0, now)
local found, fields = readSeats(2, now)
local withdrawn, told = {}, {}
for i = 1, #fields do
  local hold = found[i]
  if hold and not hold.free then
    return { 'SEAT_UNAVAILABLE', total, 0 }
  elseif hold and hold.pool ~= 1 then
    withdrawn[#withdrawn + 1] = fields[i]
    told[#told + 1] = 'seat'
    told[#told + 1] = ARGV[i + 1]
  end
end
if #withdrawn == 0 then
  return { 'UNSTOCKED', total, 0 }
end
redis.call('HDEL', seats, unpack(withdrawn))
redis.call('ZREM', holds, unpack(withdrawn))
redis.call('ZREM', users, unpack(withdrawn))
total = redis.call('HINCRBY', stock, 'total:0', -#withdrawn)
local seq = string.format('%.0f', tonumber(state.seq) + 1)
local ms = string.format('%.0f', stamp)
if state.journal ~= 'none' then
  redis.call('XADD', journal, ms .. '-' .. seq, 'type', 'unstocked', 'total', total, unpack(told))
end
redis.call('HSET', event, 'seq', seq, 'clock', ms)
return record({ 'UNSTOCKED', total, #withdrawn }, now)
