-- TQ.MIGRATE: take an older queue, a sorted set by time, into the front of the line.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash), legacy (zset)
-- ARGV: requestId, layout, legacy, limit, dryrun
-- RETURNS: array [remaining, moved, skipped]
-- COMPLEXITY: O(k log n), k entries moved
local event, line, tickets, users, journal, dedupe0, dedupe1, replay0, replay1, admitted, inside = unpack(KEYS)
local legacy = KEYS[16]
local requestId, layout, _, limit, dryrun = unpack(ARGV)
-- USES: clock, state, opening, typed, users, tickets, entries, dedupe, leaving, passes, ending, replay

local before = replayed()
if before then
  return before
end
local state = readEvent(
  'layout', 'seq', 'clock', 'closed', 'journal', 'migrated_ms', 'migrated_total', 'remember_ms', 'dedupe_ttl_ms',
  'dedupe', 'dedupe_ends0', 'dedupe_ends1'
)
local now, stamp = readClock(state.clock)
if state.closed then
  return redis.error_reply('ERR event is closed')
end
local size = redis.call('ZCARD', legacy)
local front = redis.call('ZRANGE', legacy, 0, tonumber(limit ~= '' and limit or 50) - 1, 'WITHSCORES')
local tokens, names = {}, {}
for i = 1, #front, 2 do
  tokens[#tokens + 1] = front[i]
  names[#names + 1] = 't' .. front[i]
end
if #tokens == 0 then
  return { 0, 0, 0 }
end
local waiting = redis.call('ZMSCORE', line, unpack(tokens))
local let = redis.call('HMGET', tickets, unpack(names))
checkHashes(dedupe0, dedupe1, replay0, replay1)
if redis.call('EXISTS', journal) == 1 then
  redis.call('XLEN', journal)
end
redis.call('ZCARD', users)

-- Ids have to grow with the line: none of these may be later than the first who joined here.
local latest = now
local first = redis.call('ZRANGEBYSCORE', line, '(0', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if first[2] then
  latest = math.min(latest, tonumber((readTicket(first[2])) or now) - 1)
end
local moved, skipped = {}, 0
local count, ms = tonumber(state.migrated_total or 0), tonumber(state.migrated_ms or 0)
for i = 1, #tokens do
  local token = tokens[i]
  -- Who is known here already joined while the queues ran side by side.
  if waiting[i] or #token == 0 or #token > 256 or (let[i] and isLive(readPass(let[i]), now)) then
    skipped = skipped + 1
  else
    count = count + 1
    local score = tonumber(front[2 * i]) or 0
    ms = math.max(ms, math.min(math.max(math.floor(score), 0), latest))
    moved[#moved + 1] = { seq = count - 1099511627776, token = token, ms = ms, expired = let[i] and readPass(let[i]) }
  end
end
if dryrun ~= '' then
  return { size, #moved, skipped }
end
if state.layout ~= '1' then
  local refusal = openEvent(state.layout, layout)
  if refusal then
    return refusal
  end
  state.journal = redis.call('HGET', event, 'journal')
end

local generations = { state.dedupe, state.dedupe_ends0, state.dedupe_ends1 }
local dedupeMs, rememberMs = tonumber(state.dedupe_ttl_ms or 300000), tonumber(state.remember_ms or 600000)
local fields, lines, places, index = {}, {}, {}, {}
for i = 1, #moved do
  local entry = moved[i]
  if entry.expired then
    endPass(generations, entry.token, entry.expired, 'expired', 'EXPIRED', dedupeMs, rememberMs, now)
    redis.call('HINCRBY', event, 'expired_total', 1)
  end
  local field, mark = placeOf(entry.seq)
  if not lines[field] then
    fields[#fields + 1] = field
    lines[field] = redis.call('HGET', tickets, field) or ''
  end
  lines[field] = lines[field] .. mark .. string.format('%.0f,1,,,', entry.ms) .. escapeUser(entry.token)
  places[2 * i - 1], places[2 * i] = string.format('%.0f', entry.seq), entry.token
  index[2 * i - 1], index[2 * i] = userScore(entry.token), pack6(entry.seq)
end
redis.call('ZREM', legacy, unpack(tokens))
if #moved > 0 then
  redis.call('ZADD', line, unpack(places))
  redis.call('ZADD', users, unpack(index))
  local texts = {}
  for i = 1, #fields do
    texts[2 * i - 1], texts[2 * i] = fields[i], lines[fields[i]]
  end
  redis.call('HSET', tickets, unpack(texts))
end
local seq = tonumber(state.seq or 0)
local at = string.format('%.0f', stamp)
for i = 1, #moved do
  seq = seq + 1
  if state.journal ~= 'none' then
    redis.call(
      'XADD', journal, at .. '-' .. string.format('%.0f', seq), 'type', 'migrated', 'token', moved[i].token, 'user',
      moved[i].token
    )
  end
end
redis.call(
  'HSET', event, 'seq', string.format('%.0f', seq), 'clock', at, 'migrated_total', string.format('%.0f', count),
  'migrated_ms', string.format('%.0f', ms)
)
return record({ size - #tokens, #moved, skipped }, now)
