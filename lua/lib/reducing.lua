-- Takes places away from a hold by number.

-- All that it has where it is past its deadline.
local function reduce(hold, count)
  local members = {}
  for i = hold.quantity - count + 1, hold.quantity do
    members[#members + 1] = hold.field .. ':' .. i
  end
  redis.call('ZREM', holds, unpack(members))
  if count == hold.quantity then
    redis.call('HDEL', seats, hold.field)
    redis.call('ZREM', users, hold.member)
  else
    hold.quantity = hold.quantity - count
    redis.call('HSET', seats, hold.field, packQuantity(hold))
  end
end
