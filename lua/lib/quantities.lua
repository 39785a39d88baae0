-- Finds the holds a user has by number.

-- A hold by number is a field `q` and its fence in `seats`, its quantity before the text of a hold.
local function parseQuantity(text, now)
  local quantity, rest = string.match(text or '', '^(%d+),(.*)$')
  if not quantity then
    return nil
  end
  local hold = parseHold(rest, now)
  hold.quantity = tonumber(quantity)
  return hold
end

local function packQuantity(hold)
  return string.format('%d,', hold.quantity)
    .. packHold('h', hold.pool, hold.fence, hold.deadline, hold.first, hold.user)
end

-- The user's live holds by number in a pool, oldest first, until `wanted` places are covered. Holds past
-- their deadline that are met on the way are listed in `stale`. With `most`, no more holds than that are looked at.
local function quantitiesOf(user, pool, wanted, now, most)
  local score = userScore(user) + 1
  local found, stale, covered, offset = {}, {}, 0, 0
  local size = most or math.min(math.max(16, 2 * wanted), 500)
  most = most or 10000
  repeat
    local page = redis.call('ZRANGEBYSCORE', users, score, score, 'LIMIT', offset, size)
    local fields, members = {}, {}
    for i = 1, #page do
      if string.byte(page[i]) == 113 then
        fields[#fields + 1] = 'q' .. unpack6(string.sub(page[i], 2))
        members[#members + 1] = page[i]
      end
    end
    local texts = #fields > 0 and redis.call('HMGET', seats, unpack(fields)) or {}
    for i = 1, #fields do
      local hold = parseQuantity(texts[i], now)
      if hold and hold.user == user then
        hold.field, hold.member = fields[i], members[i]
        if hold.free then
          stale[#stale + 1] = hold
        elseif hold.pool == pool and covered < wanted then
          found[#found + 1] = hold
          covered = covered + hold.quantity
        end
      end
    end
    offset = offset + #page
  until covered >= wanted or #page < size or #fields < #page or offset >= most
  return found, covered, stale
end
