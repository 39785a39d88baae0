-- TQ.STOCK: put seats, or a number of places, on sale.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, layout, section, count, seat…
-- RETURNS: array [status, total], status STOCKED or BELOW_SOLD
-- COMPLEXITY: O(k), k seats named
local event, _, _, users, journal, _, _, replay0, replay1, _, _, _, seats, holds, stock = unpack(KEYS)
local requestId, layout, section, count = unpack(ARGV)
-- USES: clock, opening, typed, replay, seats

if #ARGV > 504 then
  return redis.error_reply('ERR too many seats in one call, at most 500')
end
local before = replayed()
if before then
  return before
end
local state = redis.call('HMGET', event, 'layout', 'seq', 'clock', 'journal', 'closed')
local now, stamp = readClock(state[3])
if state[5] and tonumber(state[5]) <= now then
  return redis.error_reply('ERR event is closed and its data is gone')
end
local total, sold, live, pool, found, fields
if count ~= '' then
  pool = poolOf(section)
  total, sold, live = countPool(pool, now)
  if tonumber(count) < sold + live then
    return { 'BELOW_SOLD', total }
  end
  if not pool and tonumber(redis.call('HGET', stock, 'pools') or 1) >= 500 then
    return redis.error_reply('ERR too many sections, at most 500')
  end
else
  total = countPool(0, now)
  found, fields = readSeats(5, now)
end
if pool and total == tonumber(count) and state[1] then
  return { 'STOCKED', total }
end
checkHashes(seats, replay0, replay1)
redis.call('XLEN', journal)
redis.call('ZCARD', users)
if state[1] ~= '1' then
  local refusal = openEvent(state[1], layout)
  if refusal then
    return refusal
  end
end

local journalled = redis.call('HGET', event, 'journal') ~= 'none'
local seq = string.format('%.0f', tonumber(state[2] or 0) + 1)
local ms = string.format('%.0f', stamp)
if count ~= '' then
  total = tonumber(count)
  if not pool then
    pool = redis.call('HINCRBY', stock, 'pools', redis.call('HEXISTS', stock, 'pools') == 1 and 1 or 2)
    redis.call('HSET', stock, 'pool:' .. section, pool, 'name:' .. pool, section)
  end
  redis.call('HSET', stock, 'total:' .. pool, count)
else
  local changed = 0
  for i = 1, #fields do
    local hold = found[i]
    -- A seat that was taken by number moves over to the named seats with its hold or its buyer.
    if not hold or hold.pool == 1 then
      changed = changed + 1
      if hold and hold.sold then
        redis.call('HINCRBY', stock, 'sold:1', -1)
        redis.call('HINCRBY', stock, 'sold:0', 1)
      elseif hold and not hold.free then
        redis.call('ZADD', holds, string.format('%.0f', hold.deadline), fields[i])
      elseif hold then
        redis.call('ZREM', holds, fields[i])
        redis.call('ZREM', users, fields[i])
        hold = false
      end
      if hold then
        local text = packHold(hold.sold and 's' or 'h', 0, hold.fence, hold.deadline, hold.first, hold.user)
        redis.call('HSET', seats, fields[i], text)
      else
        redis.call('HSET', seats, fields[i], '')
      end
    end
  end
  if changed == 0 then
    return { 'STOCKED', total }
  end
  total = total + changed
  redis.call('HSET', stock, 'total:0', total)
end
if journalled then
  redis.call('XADD', journal, ms .. '-' .. seq, 'type', 'stocked', 'section', section, 'total', total)
end
redis.call('HSET', event, 'seq', seq, 'clock', ms)
return record({ 'STOCKED', total }, now)
