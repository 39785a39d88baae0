-- TQ.CONFIRM: sell what a user holds: all or none.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, user, fence, id, section, quantity, seat…
-- RETURNS: array [status, remaining, count], status SOLD, HOLD_EXPIRED, NOT_OWNER or FENCED
-- COMPLEXITY: O(k log n), k seats or places
local event, _, _, users, journal, dedupe0, dedupe1, replay0, replay1, _, _, _, seats, holds, stock = unpack(KEYS)
local requestId, user, fence, id, section, quantity = unpack(ARGV)
-- USES: clock, state, users, typed, dedupe, replay, once, seats, quantities, reducing, holding

if #ARGV > 506 then
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
  return { 'HOLD_EXPIRED', 0, 0 }
end
local generations = { state.dedupe, state.dedupe_ends0, state.dedupe_ends1 }
local dedupeMs = tonumber(state.dedupe_ttl_ms or 300000)
local digest = id ~= '' and digestOf('CONFIRM', select(2, unpack(ARGV)))
before = givenBefore(id, digest, now)
if before then
  return before
end
checkHashes(seats, dedupe0, dedupe1, replay0, replay1)
redis.call('XLEN', journal)
redis.call('ZCARD', users)

local byNumber = quantity ~= ''
local pool, remaining = drawnOn(byNumber, section, now)
local found, status = ownHolds(user, fence, byNumber, pool, tonumber(quantity), 7, now, true)
if status then
  return keepFor(generations, id, digest, { status, remaining, 0 }, dedupeMs, now)
end

local count, sold = 0, {}
if byNumber then
  count = tonumber(quantity)
  local open = count
  for i = 1, #found do
    local taken = math.min(found[i].quantity, open)
    reduce(found[i], taken)
    open = open - taken
  end
  redis.call('HINCRBY', seats, 'b' .. pool .. ',' .. user, count)
  sold[pool] = count
else
  local texts, members = {}, {}
  for i = 1, #found do
    local hold = found[i]
    if not hold.sold then
      texts[#texts + 1] = hold.field
      texts[#texts + 1] = packHold('s', hold.pool, hold.fence, 0, 0, user)
      members[#members + 1] = hold.field
      sold[hold.pool] = (sold[hold.pool] or 0) + 1
    end
  end
  count = #found
  if #members == 0 then
    return keepFor(generations, id, digest, { 'SOLD', remaining, count }, dedupeMs, now)
  end
  redis.call('ZREM', holds, unpack(members))
  redis.call('ZREM', users, unpack(members))
  redis.call('HSET', seats, unpack(texts))
end
for from, number in pairs(sold) do
  redis.call('HINCRBY', stock, 'sold:' .. from, number)
  redis.call('HINCRBY', seats, 'o' .. user, number)
end
local seq = string.format('%.0f', tonumber(state.seq) + 1)
local ms = string.format('%.0f', stamp)
if state.journal ~= 'none' then
  redis.call(
    'XADD', journal, ms .. '-' .. seq, 'type', 'sold', 'user', user,
    unpack(tellWhat(byNumber, section, quantity, 7))
  )
end
redis.call('HSET', event, 'seq', seq, 'clock', ms)
local result = { 'SOLD', remaining, count }
keepFor(generations, id, digest, result, dedupeMs, now)
return record(result, now)
