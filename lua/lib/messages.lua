-- Finds a user's waiting entries, in line order.

-- Pages, because another user's entries may share the score.
local function entriesOf(user, limit)
  local score = userScore(user)
  local found, offset = {}, 0
  while #found < limit do
    local page = redis.call('ZRANGEBYSCORE', users, score, score, 'LIMIT', offset, limit)
    if #page == 0 then
      break
    end
    local numbers = {}
    for i = 1, #page do
      numbers[i] = unpack6(page[i])
    end
    local held = readTickets(numbers)
    for i = 1, #page do
      if held[i] and held[i][5] == user and #found < limit then
        local ms, at, ttl, by = unpack(held[i])
        found[#found + 1] = { number = numbers[i], ms = ms, at = at, ttl = ttl, by = by }
      end
    end
    offset = offset + #page
  end
  return found
end
