-- TQ.EXTEND: give holds more time.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, user, ttl, fence, section, quantity, seat…
-- RETURNS: array [status, remaining, fence, expires_ms, seats], status HELD, HOLD_EXPIRED, NOT_OWNER or FENCED
-- COMPLEXITY: O(k log n), k seats or places
local event, _, _, users, journal, _, _, replay0, replay1, _, _, _, seats, holds, stock = unpack(KEYS)
local requestId, user, ttl, fence, section, quantity = unpack(ARGV)
-- USES: clock, state, users, typed, replay, seats, quantities, holding

if #ARGV > 506 then
  return redis.error_reply('ERR too many seats in one call, at most 500')
end
local before = replayed()
if before then
  return before
end
local state = readEvent('layout', 'seq', 'clock', 'closed', 'journal', 'max_hold_ms')
local now, stamp = readClock(state.clock)
checkHashes(seats, replay0, replay1)
redis.call('XLEN', journal)
local byNumber = quantity ~= ''
local pool, remaining = drawnOn(byNumber, section, now)
local found, status, names = ownHolds(user, fence, byNumber, pool, tonumber(quantity), 7, now)
if status or isGone(state, now) then
  return { status or 'HOLD_EXPIRED', remaining, false, false, names or false }
end

local scores, texts, earliest, newest = {}, {}, nil, 0
local longest = longestHold(state.max_hold_ms)
for i = 1, #found do
  local hold = found[i]
  hold.deadline = math.max(hold.deadline, math.min(now + tonumber(ttl), hold.first + longest))
  earliest = math.min(earliest or hold.deadline, hold.deadline)
  newest = math.max(newest, hold.fence)
  local score = string.format('%.0f', hold.pool * POOL + hold.deadline)
  texts[#texts + 1] = hold.field
  if byNumber then
    texts[#texts + 1] = packQuantity(hold)
    for place = 1, hold.quantity do
      scores[#scores + 1] = score
      scores[#scores + 1] = hold.field .. ':' .. place
    end
  else
    texts[#texts + 1] = packHold('h', hold.pool, hold.fence, hold.deadline, hold.first, user)
    scores[#scores + 1] = score
    scores[#scores + 1] = hold.field
  end
end
local seq = string.format('%.0f', tonumber(state.seq) + 1)
local ms = string.format('%.0f', stamp)
if state.journal ~= 'none' then
  redis.call(
    'XADD', journal, ms .. '-' .. seq, 'type', 'extended', 'user', user, 'until', string.format('%.0f', earliest),
    unpack(tellWhat(byNumber, section, quantity, 7))
  )
end
for i = 1, #scores, 1000 do
  redis.call('ZADD', holds, 'XX', unpack(scores, i, math.min(i + 999, #scores)))
end
redis.call('HSET', seats, unpack(texts))
redis.call('HSET', event, 'seq', seq, 'clock', ms)
return record({ 'HELD', remaining, newest, earliest, false }, now)
