-- Counts what is available, held and sold, with holds past their deadline free at once and nothing swept.

-- Stock lies in pools: 0 is the named seats, 1 what is sold by number without a section, 2 and up sections.
-- `holds` has one member per held seat or place, scored by pool and deadline: live ones are one ZCOUNT.
local POOL = 4398046511104

local function poolOf(section)
  if section == '' then
    return 1
  end
  return tonumber(redis.call('HGET', stock, 'pool:' .. section) or nil)
end

local function liveIn(pool, now)
  return redis.call(
    'ZCOUNT', holds, string.format('(%.0f', pool * POOL + now), string.format('(%.0f', (pool + 1) * POOL)
  )
end

-- total, sold, live
local function countPool(pool, now)
  if not pool then
    return 0, 0, 0
  end
  local counts = redis.call('HMGET', stock, 'total:' .. pool, 'sold:' .. pool)
  return tonumber(counts[1] or 0), tonumber(counts[2] or 0), liveIn(pool, now)
end

-- A seat is empty text where it is free, else `state,pool,fence,deadline,first held,user`.
local function packHold(state, pool, fence, deadline, first, user)
  return string.format('%s,%d,%.0f,%.0f,%.0f,', state, pool, fence, deadline, first) .. user
end

local function parseHold(text, now)
  local state, pool, fence, deadline, first, user = string.match(text, '^(%a),(%d+),(%d+),(%d+),(%d+),(.*)$')
  if not state then
    return { free = true }
  end
  local hold = {
    pool = tonumber(pool), fence = tonumber(fence), deadline = tonumber(deadline), first = tonumber(first),
    user = user,
  }
  hold.sold = state == 's'
  hold.free = not hold.sold and hold.deadline <= now
  return hold
end

-- Reads the seats that ARGV names from place `from` on: per seat a hold, or false where there is none.
local function readSeats(from, now)
  local fields = {}
  for i = from, #ARGV do
    fields[#fields + 1] = 's' .. ARGV[i]
  end
  local found = redis.call('HMGET', seats, unpack(fields))
  for i = 1, #found do
    found[i] = found[i] and parseHold(found[i], now)
  end
  return found, fields
end

-- How long a hold may live after it began; without the cap, a year.
local function longestHold(maxHoldMs)
  local longest = tonumber(maxHoldMs or 1800000)
  return longest > 0 and longest or 31536000000
end

-- Named seats are drawn on where there are any; otherwise any name is a seat of what is sold by number.
local function poolOfSeats()
  return tonumber(redis.call('HGET', stock, 'total:0') or 0) > 0 and 0 or 1
end
