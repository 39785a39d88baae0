-- TQ.CLEANUP: give the memory back of what is over.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, older, limit
-- RETURNS: array [more, entries, passes, holds], more is 1 where the limit was reached
-- COMPLEXITY: O(k log n), k entries, passes and holds dropped
local event, line, tickets, users, journal, dedupe0, dedupe1, replay0, replay1, admitted, inside, seen, seats, holds, stock =
  unpack(KEYS)
local requestId, older, limit = unpack(ARGV)
-- USES: clock, state, users, tickets, entries, typed, dedupe, replay, leaving, taking, passes, ending, seats, quantities, trimming

local before = replayed()
if before then
  return before
end
local state = readEvent(
  'layout', 'seq', 'clock', 'closed', 'journal', 'remember_ms', 'dedupe_ttl_ms', 'expired_total',
  'dropped_total', 'dedupe', 'dedupe_ends0', 'dedupe_ends1', 'replay', 'replay_ends'
)
local now, stamp = readClock(state.clock)
if isGone(state, now) then
  return { 0, 0, 0, 0 }
end
checkHashes(dedupe0, dedupe1, replay0, replay1, tickets, seats, stock)
redis.call('XLEN', journal)
for _, key in ipairs({ line, users, admitted, inside, seen, holds }) do
  redis.call('ZCARD', key)
end
local most = tonumber(limit ~= '' and limit or 500)
local dedupeMs, rememberMs = tonumber(state.dedupe_ttl_ms or 300000), tonumber(state.remember_ms or 600000)
local generations = { state.dedupe, state.dedupe_ends0, state.dedupe_ends1 }
local more, told = 0, {}

local old = {}
if older ~= '' then
  local front = redis.call('ZRANGE', line, 1, most, 'WITHSCORES')
  local numbers = {}
  for i = 2, #front, 2 do
    numbers[i / 2] = front[i]
  end
  local held = readTickets(numbers)
  for i = 1, #numbers do
    local ms, at, ttl, by, user = unpack(held[i] or { '0', '0', '', '', '' })
    -- The line is in the order of the joins: behind the first that is young enough all are.
    if tonumber(ms) > now - tonumber(older) then
      break
    end
    old[i] = {
      number = numbers[i], token = front[2 * i - 1], id = idOf(ms, numbers[i]), at = at, ttl = ttl, by = by, user = user,
    }
  end
  if #old == most then
    more = 1
  end
end

local passes = {}
for _, key in ipairs({ admitted, inside }) do
  local over = redis.call('ZRANGEBYSCORE', key, '(-inf', string.format('%.0f', now), 'LIMIT', 0, most - #passes)
  for i = 1, #over do
    local text = redis.call('HGET', tickets, 't' .. over[i])
    passes[#passes + 1] = { token = over[i], held = text and readPass(text), key = key }
  end
end
if #passes == most then
  more = 1
end

local ends = {}
for pool = 0, tonumber(redis.call('HGET', stock, 'pools') or 1) do
  if #ends < most then
    local over = redis.call(
      'ZRANGEBYSCORE', holds, string.format('%.0f', pool * POOL), string.format('%.0f', pool * POOL + now), 'LIMIT', 0,
      most - #ends
    )
    for i = 1, #over do
      ends[#ends + 1] = over[i]
    end
  end
end
if #ends == most then
  more = 1
end

if #old > 0 then
  takeOut(old)
  for i = 1, #old do
    bury(generations, 'expired', old[i].token, old[i], dedupeMs, rememberMs, now)
    told[i] = old[i]
  end
end
for i = 1, #passes do
  local token, held = passes[i].token, passes[i].held
  if held then
    endPass(generations, token, held, 'expired', 'EXPIRED', dedupeMs, rememberMs, now)
    told[#told + 1] = { token = token, user = held.user }
  else
    redis.call('ZREM', passes[i].key, token)
  end
end
for i = 1, #ends do
  local place = string.match(ends[i], '^(q%d+):%d+$')
  local text = redis.call('HGET', seats, place or ends[i])
  redis.call('ZREM', holds, ends[i])
  if place and text then
    redis.call('HDEL', seats, place)
    redis.call('ZREM', users, 'q' .. pack6(tonumber(string.sub(place, 2))))
  elseif text then
    redis.call('ZREM', users, ends[i])
    if parseHold(text, now).pool == 1 then
      redis.call('HDEL', seats, ends[i])
    else
      redis.call('HSET', seats, ends[i], '')
    end
  end
end

local seq = tonumber(state.seq or 0)
local ms = string.format('%.0f', stamp)
for i = 1, #told do
  seq = seq + 1
  if state.journal ~= 'none' then
    redis.call(
      'XADD', journal, ms .. '-' .. string.format('%.0f', seq), 'type', 'expired', 'token', told[i].token, 'user',
      told[i].user
    )
  end
end
if #told > 0 then
  redis.call(
    'HSET', event, 'seq', string.format('%.0f', seq), 'clock', ms, 'dropped_total', (state.dropped_total or 0) + #old,
    'expired_total', (state.expired_total or 0) + #told - #old
  )
end
local trimmed = trimJournal(now, 5000)
if trimmed >= 4900 then
  more = 1
end
-- What nobody can be given any more goes at once, not with the next rotation.
local function empty(key)
  local ttl = redis.call('PTTL', key)
  redis.call('UNLINK', key)
  redis.call('HSET', key, '', '')
  if ttl > 0 then
    redis.call('PEXPIRE', key, ttl)
  end
end
for generation, key in ipairs({ dedupe0, dedupe1 }) do
  if tonumber(generations[generation + 1] or 0) < now and redis.call('HLEN', key) > 1 then
    empty(key)
  end
end
for _, key in ipairs({ replay0, replay1 }) do
  if tonumber(state.replay_ends or 0) + 10000 < now and redis.call('HLEN', key) > 1 then
    empty(key)
  end
end
local result = { more, #old, #passes, #ends }
-- Where nothing was freed a repetition frees nothing either, and a full memory would refuse the record.
return #old + #passes + #ends > 0 and record(result, now) or result
