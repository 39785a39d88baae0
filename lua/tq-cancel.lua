-- TQ.CANCEL: put what was sold to a user back on sale.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, user, id, section, quantity, seat…
-- RETURNS: array [status, remaining, count], status RELEASED or NOT_OWNER
-- COMPLEXITY: O(k), k seats named
local event, _, _, users, journal, dedupe0, dedupe1, replay0, replay1, _, _, _, seats, holds, stock = unpack(KEYS)
local requestId, user, id, section, quantity = unpack(ARGV)
-- USES: clock, state, typed, users, dedupe, replay, once, seats, quantities, holding

if #ARGV > 505 then
  return redis.error_reply('ERR too many seats in one call, at most 500')
end
local before = replayed()
if before then
  return before
end
local state = readEvent(
  'layout', 'seq', 'clock', 'closed', 'journal', 'dedupe_ttl_ms', 'dedupe', 'dedupe_ends0', 'dedupe_ends1'
)
local now, stamp = readClock(state.clock)
if isGone(state, now) then
  return { 'RELEASED', 0, 0 }
end
local generations = { state.dedupe, state.dedupe_ends0, state.dedupe_ends1 }
local dedupeMs = tonumber(state.dedupe_ttl_ms or 300000)
local digest = id ~= '' and digestOf('CANCEL', select(2, unpack(ARGV)))
before = givenBefore(id, digest, now)
if before then
  return before
end
checkHashes(seats, dedupe0, dedupe1, replay0, replay1)
redis.call('XLEN', journal)

local byNumber = quantity ~= ''
local pool, remaining = drawnOn(byNumber, section, now)
local count, returned, gone, emptied = 0, {}, {}, {}
local bought
if byNumber then
  count = tonumber(quantity)
  bought = 'b' .. (pool or '') .. ',' .. user
  if not pool or tonumber(redis.call('HGET', seats, bought) or 0) < count then
    return keepFor(generations, id, digest, { 'NOT_OWNER', remaining, 0 }, dedupeMs, now)
  end
  returned[pool] = count
else
  local found, fields = readSeats(6, now)
  for i = 1, #fields do
    local hold = found[i]
    if hold and not hold.free then
      if not hold.sold or hold.user ~= user then
        return keepFor(generations, id, digest, { 'NOT_OWNER', remaining, 0 }, dedupeMs, now)
      end
      count = count + 1
      returned[hold.pool] = (returned[hold.pool] or 0) + 1
      if hold.pool == 0 then
        emptied[#emptied + 1] = fields[i]
        emptied[#emptied + 1] = ''
      else
        gone[#gone + 1] = fields[i]
      end
    end
  end
  if count == 0 then
    return keepFor(generations, id, digest, { 'RELEASED', remaining, 0 }, dedupeMs, now)
  end
end

-- Counting a field down to nothing removes it; what frees comes before what writes.
local function takeFrom(field, number)
  local left = tonumber(redis.call('HGET', seats, field) or 0) - number
  if left <= 0 then
    redis.call('HDEL', seats, field)
  else
    redis.call('HSET', seats, field, left)
  end
end
if #gone > 0 then
  redis.call('HDEL', seats, unpack(gone))
end
if #emptied > 0 then
  redis.call('HSET', seats, unpack(emptied))
end
if bought then
  takeFrom(bought, count)
end
takeFrom('o' .. user, count)
for from, number in pairs(returned) do
  redis.call('HINCRBY', stock, 'sold:' .. from, -number)
end
local seq = string.format('%.0f', tonumber(state.seq) + 1)
local ms = string.format('%.0f', stamp)
if state.journal ~= 'none' then
  redis.call(
    'XADD', journal, ms .. '-' .. seq, 'type', 'cancelled', 'user', user,
    unpack(tellWhat(byNumber, section, quantity, 6))
  )
end
redis.call('HSET', event, 'seq', seq, 'clock', ms)
local result = { 'RELEASED', remaining + (returned[pool] or 0), count }
keepFor(generations, id, digest, result, dedupeMs, now)
return record(result, now)
