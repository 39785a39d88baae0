-- TQ.ENQUEUE: join the line, once per dedupe key.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, layout, user, token, dedupe, ttl
-- RETURNS: array [status, id, position], status QUEUED, DUPLICATE, CLOSED, PAUSED, LIMIT or FULL
-- COMPLEXITY: O(log n)
local event, line, tickets, users, journal, dedupe0, dedupe1, _, _, admitted, inside = unpack(KEYS)
local requestId, layout, user, token, dedupe, ttl = unpack(ARGV)
-- USES: clock, users, tickets

local state = redis.call(
  'HMGET', event, 'layout', 'seq', 'clock', 'closed', 'paused', 'maxlen', 'max_per_user', 'dedupe_ttl_ms',
  'journal', 'admitted_total', 'dedupe', 'dedupe_ends0', 'dedupe_ends1'
)
if state[9] == 'user' and not KEYS[16] then
  return redis.error_reply('NEEDSTREAM the event keeps a stream per user')
end
local now, stamp = readClock(state[3])
local generations = { state[11], state[12], state[13] }
local remembering = tonumber(state[12] or 0) >= now or tonumber(state[13] or 0) >= now
local by = string.sub(requestId, 2)
local retry = string.byte(requestId) == 50

local function duplicate(id, position)
  redis.call('HINCRBY', event, 'duplicates_total', 1)
  return { 'DUPLICATE', id, position }
end

local waiting = redis.call('ZSCORE', line, token)
if waiting then
  local ms, at, _, joinedBy = readTicket(waiting)
  if retry and joinedBy == by then
    return { 'QUEUED', idOf(ms, waiting), tonumber(at) }
  end
  return duplicate(idOf(ms, waiting), redis.call('ZRANK', line, token))
end

-- A pass that ran out stands for its token only as long as the token is a dedupe key.
local expired = state[10] and redis.call('HGET', tickets, 't' .. token)
if expired then
  -- USES: passes
  expired = readPass(expired)
  if retry and expired.by == by then
    return { 'QUEUED', expired.id, tonumber(expired.at) }
  end
  local joined = tonumber(string.match(expired.id, '^%d+'))
  local dedupeMs = tonumber(expired.ttl ~= '' and expired.ttl or state[8] or 300000)
  if isLive(expired, now) or (dedupe == '' and dedupeMs and joined + dedupeMs >= now) then
    return duplicate(expired.id, false)
  end
end
if remembering then
  -- USES: dedupe
  local left = (retry or dedupe == '') and recall('t' .. token, now)
  if left then
    local dedupeUntil, rest = string.match(left, '^%d+,(%d+),(.*)$')
    local _, id, at, joinedBy = readPast(rest)
    if retry and joinedBy == by then
      return { 'QUEUED', id, tonumber(at) }
    end
    if dedupe == '' and tonumber(dedupeUntil) >= now then
      return duplicate(expired and expired.id or id, false)
    end
  end
  local used = dedupe ~= '' and recall('d' .. dedupe, now)
  if used then
    local id, of = string.match(used, '^%d+,(%d+%-(%d+))$')
    local still = redis.call('ZCOUNT', line, of, of) == 1
    return duplicate(id, still and redis.call('ZCOUNT', line, '-inf', '(' .. of))
  end
end

local count = redis.call('ZCARD', line)
if state[4] then
  return { 'CLOSED', false, false }
end
if state[5] == 'IN' or state[5] == 'ALL' then
  return { 'PAUSED', false, false }
end
local limit = tonumber(state[7] or 0)
if limit > 0 then
  -- USES: entries, messages
  local score = userScore(user)
  local there = redis.call('ZCOUNT', users, score, score)
  -- Some may be another user's whose hash is the same: worth a look where it is short.
  if there >= limit and (limit > 500 or #entriesOf(user, limit) >= limit) then
    return { 'LIMIT', false, false }
  end
end
limit = tonumber(state[6] or 0)
if limit > 0 and count > limit then
  return { 'FULL', false, false }
end

if (state[1] and state[9] or layout) == 'user' and not KEYS[16] then
  return redis.error_reply('NEEDSTREAM this event keeps a stream per user')
end
if state[1] ~= '1' or count == 0 then
  -- USES: opening
  local refusal = openEvent(state[1] ~= '1' and state[1], layout)
  if refusal then
    return refusal
  end
  count = 1
  state[9] = redis.call('HGET', event, 'journal')
else
  redis.call('ZCARD', users)
end
if dedupe ~= '' and not remembering then
  redis.call('HLEN', dedupe0)
  redis.call('HLEN', dedupe1)
end

local seq = tonumber(state[2] or 0) + 1
local number = string.format('%.0f', seq)
local field, mark = placeOf(seq)
local neighbours = redis.call('HGET', tickets, field) or ''
local ms = string.format('%.0f', stamp)
local id = ms .. '-' .. number
if expired then
  redis.call('XLEN', journal)
  redis.call('HLEN', dedupe0)
  redis.call('HLEN', dedupe1)
  -- USES: passes, dedupe, leaving, ending
  local dedupeMs, rememberMs = tonumber(state[8] or 300000), tonumber(redis.call('HGET', event, 'remember_ms') or 600000)
  endPass(generations, token, expired, 'expired', 'EXPIRED', dedupeMs, rememberMs, now)
  redis.call('HINCRBY', event, 'expired_total', 1)
end
if state[9] ~= 'none' then
  if state[9] == 'user' then
    -- The gateway's stream of the user. Others may have written to it, so it comes first: it may refuse the id.
    redis.call('XLEN', journal)
    local name = string.match(KEYS[16], '{(.-)}')
    redis.call('XADD', KEYS[16], id, 'token', token, 'event_id', name, 'user_id', user, 'timestamp', ms)
  end
  redis.call('XADD', journal, id, 'type', 'joined', 'token', token, 'user', user)
  -- About every 64th join, as a trim with each of them would cost 1.3 us. The time is in it because numbers alone
  -- may keep to a pattern: where each join is followed by a LEAVE, all joins have odd ones.
  if (seq + stamp) % 64 == 0 then
    -- USES: trimming
    trimJournal(now, 1000)
  end
end
redis.call('ZADD', line, number, token)
redis.call('ZADD', users, userScore(user), pack6(seq))
local own = dedupe ~= '' and '-' or ttl
local ticket = mark .. ms .. ',' .. count .. ',' .. own .. ',' .. by .. ',' .. escapeUser(user)
redis.call('HSET', tickets, field, neighbours .. ticket)
redis.call('HSET', event, 'seq', number, 'clock', ms)
if dedupe ~= '' then
  -- USES: dedupe
  local deadline = now + tonumber(ttl ~= '' and ttl or state[8] or 300000)
  remember(generations, 'd' .. dedupe, string.format('%.0f', deadline) .. ',' .. id, deadline, now)
end
return { 'QUEUED', id, count }
