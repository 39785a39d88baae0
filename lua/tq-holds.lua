-- TQ.HOLDS: list what a user holds.
-- KEYS: event (hash), users (zset), seats (hash), stock (hash)
-- ARGV: user
-- RETURNS: array of [seat or section, quantity, fence, expires_ms]
-- COMPLEXITY: O(k), k holds of the user
local event, users, seats, stock = unpack(KEYS)
local user = ARGV[1]
-- USES: clock, users, seats, quantities

local now = readClock(redis.call('HGET', event, 'clock'))
local score = userScore(user) + 1
local result, offset = {}, 0
repeat
  local page = redis.call('ZRANGEBYSCORE', users, score, score, 'LIMIT', offset, 500)
  local fields = {}
  for i = 1, #page do
    local number = string.byte(page[i]) == 113
    fields[i] = number and 'q' .. unpack6(string.sub(page[i], 2)) or page[i]
  end
  local texts = #fields > 0 and redis.call('HMGET', seats, unpack(fields)) or {}
  for i = 1, #fields do
    local hold, what
    if string.byte(fields[i]) == 113 then
      hold = parseQuantity(texts[i], now)
      what = hold and redis.call('HGET', stock, 'name:' .. hold.pool)
    else
      hold = texts[i] and parseHold(texts[i], now)
      what = string.sub(fields[i], 2)
    end
    if hold and hold.user == user and not hold.free and not hold.sold and #result < 500 then
      result[#result + 1] = { what, hold.quantity or 1, hold.fence, hold.deadline }
    end
  end
  offset = offset + #page
until #page < 500 or #result >= 500 or offset >= 10000
return result
