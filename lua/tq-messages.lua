-- TQ.MESSAGES: list a user's waiting entries with their positions.
-- KEYS: line (zset), tickets (hash), users (zset)
-- ARGV: user
-- RETURNS: array of [id, token, position], in line order, at most 500
-- COMPLEXITY: O(k log n), k entries of the user
local line, tickets, users = unpack(KEYS)
local user = ARGV[1]
-- USES: users, tickets, entries, messages

local result = {}
for i, entry in ipairs(entriesOf(user, 500)) do
  local token = redis.call('ZRANGEBYSCORE', line, entry.number, entry.number)[1]
  result[i] = { idOf(entry.ms, entry.number), token, redis.call('ZRANK', line, token) }
end
return result
