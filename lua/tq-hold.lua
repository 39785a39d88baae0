-- TQ.HOLD: hold seats, or places by number, for a user: all or none.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, user, ttl, pass, id, section, quantity, seat…
-- RETURNS: array [status, remaining, fence, expires_ms, seats], status HELD, SEAT_UNAVAILABLE, SOLD_OUT, SEAT_UNKNOWN, NOT_ADMITTED, LIMIT or CLOSED
-- COMPLEXITY: O(k log n), k seats or places
local event, _, tickets, users, journal, dedupe0, dedupe1, replay0, replay1, _, _, _, seats, holds, stock = unpack(KEYS)
local requestId, user, ttl, pass, id, section, quantity = unpack(ARGV)
-- USES: clock, users, typed, replay, seats

if #ARGV > 507 then
  return redis.error_reply('ERR too many seats in one call, at most 500')
end
local before = replayed()
if before then
  return before
end
local state = redis.call(
  'HMGET', event, 'layout', 'seq', 'clock', 'journal', 'closed', 'hold_ttl_ms', 'max_hold_ms', 'max_seats',
  'dedupe_ttl_ms', 'dedupe', 'dedupe_ends0', 'dedupe_ends1', 'require_pass'
)
local now, stamp = readClock(state[3])
local byNumber = quantity ~= ''
local generations = { state[10], state[11], state[12] }
local dedupeMs = tonumber(state[9] or 300000)
local keep
if id ~= '' then
  -- USES: dedupe, once
  local digest = digestOf('HOLD', select(2, unpack(ARGV)))
  before = givenBefore(id, digest, now)
  if before then
    return before
  end
  keep = function(result)
    return keepFor(generations, id, digest, result, dedupeMs, now)
  end
end

redis.call('ZCARD', users)
checkHashes(seats, dedupe0, dedupe1, replay0, replay1)

local pool
if byNumber then
  pool = poolOf(section)
else
  pool = poolOfSeats()
end
local total, sold, live = countPool(pool, now)
local remaining = total - sold - live

local function refuse(status, names)
  local result = { status, remaining, false, false, names or false }
  local gone = not state[1] or (state[5] and tonumber(state[5]) <= now)
  return keep and not gone and keep(result) or result
end

local found, fields, unknown, taken, free, mine = {}, {}, {}, {}, {}, {}
if not byNumber then
  found, fields = readSeats(8, now)
  for i = 1, #fields do
    local hold = found[i]
    if hold and hold.pool and not hold.free then
      if hold.sold or hold.user ~= user then
        taken[#taken + 1] = ARGV[7 + i]
      else
        mine[#mine + 1] = i
      end
    elseif pool == 0 and (not hold or hold.pool == 1) or (pool == 1 and total == 0) then
      unknown[#unknown + 1] = ARGV[7 + i]
    else
      free[#free + 1] = i
    end
  end
end

local earliest, fence
for i = 1, #mine do
  local hold = found[mine[i]]
  earliest = math.min(earliest or hold.deadline, hold.deadline)
  fence = (not fence or fence == hold.fence) and hold.fence
  if not fence then
    break
  end
end
if fence and #mine == #fields then
  return { 'HELD', remaining, fence, earliest, false }
end
if state[5] then
  return refuse('CLOSED')
end
if state[13] == '1' then
  -- USES: passes
  local token = pass ~= '' and redis.call('HGET', tickets, 'p' .. pass)
  local shown = token and redis.call('HGET', tickets, 't' .. token)
  shown = shown and readPass(shown)
  if not shown or shown.user ~= user or not isLive(shown, now) then
    return refuse('NOT_ADMITTED')
  end
end
if #unknown > 0 then
  return refuse('SEAT_UNKNOWN', unknown)
end
if #taken > 0 then
  return refuse('SEAT_UNAVAILABLE', taken)
end
local wanted = byNumber and tonumber(quantity) or #free
local most = tonumber(state[8] or 0)
if most > 0 and wanted > 0 then
  -- USES: quantities, belongings
  if countOf(user, now) + wanted > most then
    return refuse('LIMIT')
  end
end
if wanted > remaining then
  return refuse('SOLD_OUT')
end
fence = tonumber(state[2]) + 1
local seq = string.format('%.0f', fence)
local ms = string.format('%.0f', stamp)
local deadline = now + math.min(tonumber(ttl ~= '' and ttl or state[6] or 300000), longestHold(state[7]))
local score = userScore(user) + 1
local expires = string.format('%.0f', pool * POOL + deadline)
if state[4] ~= 'none' then
  local told = { 'type', 'held', 'user', user, 'until', string.format('%.0f', deadline) }
  if byNumber then
    told[7], told[8], told[9], told[10] = 'section', section, 'quantity', quantity
  end
  for i = 1, #fields do
    told[#told + 1] = 'seat'
    told[#told + 1] = ARGV[7 + i]
  end
  redis.call('XADD', journal, ms .. '-' .. seq, unpack(told))
  -- About every 64th hold, for events that nobody queues up for; as ENQUEUE does.
  if (fence + stamp) % 64 == 0 then
    -- USES: trimming
    trimJournal(now, 1000)
  end
end
local marks = {}
if byNumber then
  -- USES: quantities, reducing
  local hold = {
    quantity = wanted, pool = pool, fence = fence, deadline = deadline, first = now, user = user, field = 'q' .. seq,
  }
  for i = 1, wanted do
    marks[2 * i - 1], marks[2 * i] = expires, hold.field .. ':' .. i
  end
  redis.call('ZADD', holds, unpack(marks))
  redis.call('HSET', seats, hold.field, packQuantity(hold))
  local _, _, stale = quantitiesOf(user, pool, 1, now, 2)
  for i = 1, #stale do
    reduce(stale[i], stale[i].quantity)
  end
  redis.call('ZADD', users, score, 'q' .. pack6(fence))
else
  local texts, owned = {}, {}
  for i = 1, #fields do
    local hold = found[i]
    local kept = hold and hold.pool and not hold.free
    local ends, first = kept and hold.deadline or deadline, kept and hold.first or now
    local from = kept and hold.pool or pool
    earliest = math.min(earliest or ends, ends)
    texts[2 * i - 1], texts[2 * i] = fields[i], packHold('h', from, fence, ends, first, user)
    marks[2 * i - 1], marks[2 * i] = string.format('%.0f', from * POOL + ends), fields[i]
    owned[2 * i - 1], owned[2 * i] = score, fields[i]
  end
  redis.call('HSET', seats, unpack(texts))
  redis.call('ZADD', holds, unpack(marks))
  redis.call('ZADD', users, unpack(owned))
end
redis.call('HSET', event, 'seq', seq, 'clock', ms)
local result = { 'HELD', remaining - wanted, fence, earliest or deadline, false }
if keep then
  keep(result)
end
return record(result, now)
