-- Counts the seats and places a user holds or has bought, for the cap per user.

local function countOf(user, now)
  local score = userScore(user) + 1
  local count, offset = tonumber(redis.call('HGET', seats, 'o' .. user) or 0), 0
  repeat
    local page = redis.call('ZRANGEBYSCORE', users, score, score, 'LIMIT', offset, 500)
    local fields = {}
    for i = 1, #page do
      local number = string.byte(page[i]) == 113
      fields[i] = number and 'q' .. unpack6(string.sub(page[i], 2)) or page[i]
    end
    local texts = #fields > 0 and redis.call('HMGET', seats, unpack(fields)) or {}
    for i = 1, #fields do
      local hold = string.byte(fields[i]) == 113 and parseQuantity(texts[i], now)
        or texts[i] and parseHold(texts[i], now)
      if hold and hold.user == user and not hold.free and not hold.sold then
        count = count + (hold.quantity or 1)
      end
    end
    offset = offset + #page
  until #page < 500 or offset >= 10000
  return count
end
