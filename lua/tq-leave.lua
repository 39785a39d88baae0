-- TQ.LEAVE: take a token out of the line.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, token
-- RETURNS: integer, 1 left, 0 was not there
-- COMPLEXITY: O(log n)
local event, line, tickets, users, journal, dedupe0, dedupe1, replay0, replay1, _, _, seen = unpack(KEYS)
local requestId, token = unpack(ARGV)
-- USES: clock, users, tickets, typed, dedupe, leaving, taking, replay

local before = replayed()
if before then
  return before
end
local number = redis.call('ZSCORE', line, token)
if not number then
  return 0
end
local state = redis.call(
  'HMGET', event, 'seq', 'clock', 'journal', 'dedupe_ttl_ms', 'remember_ms', 'left_total', 'dedupe', 'dedupe_ends0',
  'dedupe_ends1'
)
local now, stamp = readClock(state[2])
local joined, at, ttl, by, user = readTicket(number)
checkHashes(dedupe0, dedupe1, replay0, replay1)
redis.call('XLEN', journal)
redis.call('ZCARD', seen)

takeOut({ { number = number, token = token } })
local generations = { state[7], state[8], state[9] }
local gone = { id = idOf(joined, number), at = at, ttl = ttl, by = by }
bury(generations, 'left', token, gone, tonumber(state[4] or 300000), tonumber(state[5] or 600000), now)
local seq = string.format('%.0f', tonumber(state[1]) + 1)
local ms = string.format('%.0f', stamp)
if state[3] ~= 'none' then
  redis.call('XADD', journal, ms .. '-' .. seq, 'type', 'left', 'token', token, 'user', user)
end
redis.call('HSET', event, 'seq', seq, 'clock', ms, 'left_total', (state[6] or 0) + 1)
return record(1, now)
