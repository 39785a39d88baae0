-- TQ.ENTER: go in, if it is one's turn.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, seed, signed, token
-- RETURNS: array [status, pass or position, expires_ms or retry_after_ms], status ADMITTED, WAITING, EXPIRED, UNKNOWN, PAUSED or CLOSED
-- COMPLEXITY: O(log n), and O(k log n) where k people are let in
local event, line, tickets, users, journal, dedupe0, dedupe1, _, _, admitted, inside, seen = unpack(KEYS)
local requestId, seed, signed, token = unpack(ARGV)
-- USES: clock, state, admission

-- Most calls are polls of those who wait: what only an admission needs is read, and made, only then.
local state = readEvent(
  'seq', 'clock', 'closed', 'paused', 'rate', 'burst', 'capacity', 'admit', 'idle_ms', 'opens_at_ms', 'bucket',
  'bucket_at', 'pace', 'admitted_total'
)
local now, stamp = readClock(state.clock)

local function checkTypes()
  redis.call('XLEN', journal)
  for _, key in ipairs({ users, admitted, inside, seen }) do
    redis.call('ZCARD', key)
  end
  for _, key in ipairs({ tickets, dedupe0, dedupe1 }) do
    redis.call('HLEN', key)
  end
end

-- The answer to a token that was let in, now or before.
local function answer(text)
  -- USES: passes, claiming
  local held = readPass(text)
  local more = readEvent('remember_ms', 'stay_ms', 'journal')
  if not isLive(held, now) then
    if held.deadline + tonumber(more.remember_ms or 600000) < now then
      return { 'UNKNOWN', false, false }
    end
    return { 'EXPIRED', false, false }
  end
  if held.state == 'admitted' then
    if state.closed then
      return { 'CLOSED', false, false }
    end
    checkTypes()
    state.stay_ms, state.journal = more.stay_ms, more.journal
    claim(state, token, held, now, stamp)
  end
  return { 'ADMITTED', held.pass, held.deadline > 0 and held.deadline, signed == '1' and held.user or nil }
end

local waiting = redis.call('ZSCORE', line, token)
if not waiting then
  local held = state.admitted_total and redis.call('HGET', tickets, 't' .. token)
  if held then
    return answer(held)
  end
  if state.closed then
    return { 'CLOSED', false, false }
  end
  -- USES: dedupe
  local gone = recall('t' .. token, now)
  local expired = gone and string.match(gone, '^%d+,%d+,(%a+)') == 'expired'
  return { expired and 'EXPIRED' or 'UNKNOWN', false, false }
end
if state.closed then
  return { 'CLOSED', false, false }
end
if tonumber(state.idle_ms or 0) > 0 then
  -- USES: hearing
  checkTypes()
  hear({ token }, tonumber(state.idle_ms), now)
end
local position = redis.call('ZRANK', line, token)
if state.paused == 'OUT' or state.paused == 'ALL' then
  return { 'PAUSED', position, false }
end
if state.admit ~= 'manual' then
  local room, level = allowance(state, now)
  if room > 0 then
    -- USES: users, tickets, entries, dedupe, leaving, taking, letting
    checkTypes()
    local more = readEvent(
      'pass_ttl_ms', 'idle_since', 'journal', 'remember_ms', 'dedupe_ttl_ms', 'dropped_total', 'dedupe', 'dedupe_ends0',
      'dedupe_ends1'
    )
    for name, value in pairs(more) do
      state[name] = value
    end
    local chosen, absent = chooseFront(state, room, now)
    letIn(state, chosen, absent, level, false, seed, now, stamp)
    local held = redis.call('HGET', tickets, 't' .. token)
    if held then
      return answer(held)
    end
    position = redis.call('ZRANK', line, token)
  end
end
return { 'WAITING', position, pauseBeforeAsking(state, position, now) }
