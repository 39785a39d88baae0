-- TQ.RELEASE: give held seats, or places, back before their time.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, user, fence, id, section, quantity, seat…
-- RETURNS: array [status, remaining, count], status RELEASED, NOT_OWNER or FENCED
-- COMPLEXITY: O(k log n), k seats or places
local event, _, _, users, journal, dedupe0, dedupe1, replay0, replay1, _, _, _, seats, holds, stock = unpack(KEYS)
local requestId, user, fence, id, section, quantity = unpack(ARGV)
-- USES: clock, users, typed, dedupe, replay, once, seats, quantities, reducing

if #ARGV > 506 then
  return redis.error_reply('ERR too many seats in one call, at most 500')
end
local before = replayed()
if before then
  return before
end
local state = redis.call(
  'HMGET', event, 'layout', 'seq', 'clock', 'journal', 'dedupe_ttl_ms', 'dedupe', 'dedupe_ends0', 'dedupe_ends1',
  'closed'
)
local now, stamp = readClock(state[3])
if not state[1] or (state[9] and tonumber(state[9]) <= now) then
  return { 'RELEASED', 0, 0 }
end
local byNumber = quantity ~= ''
local generations = { state[6], state[7], state[8] }
local dedupeMs = tonumber(state[5] or 300000)
local digest = id ~= '' and digestOf('RELEASE', select(2, unpack(ARGV)))
before = givenBefore(id, digest, now)
if before then
  return before
end
redis.call('ZCARD', users)
redis.call('XLEN', journal)
checkHashes(dedupe0, dedupe1, replay0, replay1)

local pool
if byNumber then
  pool = poolOf(section)
else
  pool = poolOfSeats()
end
local total, sold, live = countPool(pool, now)
local remaining = total - sold - live

local function refuse(status)
  return keepFor(generations, id, digest, { status, remaining, 0 }, dedupeMs, now)
end

local count, released, names = 0, {}, {}
local found, fields
if byNumber then
  local wanted = tonumber(quantity)
  if fence ~= '' then
    local hold = parseQuantity(redis.call('HGET', seats, 'q' .. fence), now)
    if hold and not hold.free then
      if hold.user ~= user then
        return refuse('NOT_OWNER')
      elseif hold.pool ~= pool then
        return refuse('FENCED')
      end
      hold.field, hold.member = 'q' .. fence, 'q' .. pack6(tonumber(fence))
      released[1] = hold
    end
  elseif pool then
    released = quantitiesOf(user, pool, wanted, now)
  end
  for i = 1, #released do
    released[i].taken = math.min(released[i].quantity, wanted - count)
    count = count + released[i].taken
  end
else
  found, fields = readSeats(7, now)
  local other, fenced
  for i = 1, #fields do
    local hold = found[i]
    if hold and hold.pool and not hold.free then
      if hold.sold or hold.user ~= user then
        other = true
      elseif fence ~= '' and tonumber(fence) ~= hold.fence then
        fenced = true
      else
        released[#released + 1] = i
        names[#names + 1] = 'seat'
        names[#names + 1] = ARGV[6 + i]
      end
    end
  end
  if other or fenced then
    return refuse(other and 'NOT_OWNER' or 'FENCED')
  end
  count = #released
end
if count == 0 then
  return refuse('RELEASED')
end

if byNumber then
  for i = 1, #released do
    reduce(released[i], released[i].taken)
  end
  remaining = remaining + count
  names = { 'section', section, 'quantity', count }
else
  local gone, emptied, members = {}, {}, {}
  for i = 1, #released do
    local field = fields[released[i]]
    local hold = found[released[i]]
    members[i] = field
    if hold.pool == 0 then
      emptied[#emptied + 1] = field
      emptied[#emptied + 1] = ''
    else
      gone[#gone + 1] = field
    end
    remaining = remaining + (hold.pool == pool and 1 or 0)
  end
  redis.call('ZREM', holds, unpack(members))
  redis.call('ZREM', users, unpack(members))
  if #gone > 0 then
    redis.call('HDEL', seats, unpack(gone))
  end
  if #emptied > 0 then
    redis.call('HSET', seats, unpack(emptied))
  end
end
local seq = string.format('%.0f', tonumber(state[2]) + 1)
local ms = string.format('%.0f', stamp)
if state[4] ~= 'none' then
  redis.call('XADD', journal, ms .. '-' .. seq, 'type', 'released', 'user', user, unpack(names))
end
redis.call('HSET', event, 'seq', seq, 'clock', ms)
local result = { 'RELEASED', remaining, count }
keepFor(generations, id, digest, result, dedupeMs, now)
return record(result, now)
