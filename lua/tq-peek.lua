-- TQ.PEEK: show the front of the line.
-- KEYS: line (zset), tickets (hash)
-- ARGV: count
-- RETURNS: array of [id, token, user], from the front
-- COMPLEXITY: O(log n + k), k entries shown
local line, tickets = unpack(KEYS)
local count = ARGV[1]
-- USES: tickets, entries

-- Rank 0 is the sentinel that keeps the key alive.
local front = redis.call('ZRANGE', line, 1, count ~= '' and count or 1, 'WITHSCORES')
local numbers = {}
for i = 2, #front, 2 do
  numbers[i / 2] = front[i]
end
local held = readTickets(numbers)
local result = {}
for i = 1, #numbers do
  local ticket = held[i] or {}
  result[i] = { idOf(ticket[1] or '0', numbers[i]), front[2 * i - 1], ticket[5] or false }
end
return result
