-- Finds the holds that EXTEND and CONFIRM are about: all of them live and the user's, or none.

-- The pool a call draws on, nil for a section that is not there, and what remains in it.
local function drawnOn(byNumber, section, now)
  local pool
  if byNumber then
    pool = poolOf(section)
  else
    pool = poolOfSeats()
  end
  local total, sold, live = countPool(pool, now)
  return pool, total - sold - live
end

-- A list of holds; or nil, the status that refuses the call, and the seats it is about. With `soldToo`, seats
-- that were sold to the user before count as found, and come as a second kind of hold.
local function ownHolds(user, fence, byNumber, pool, wanted, from, now, soldToo)
  fence = fence ~= '' and tonumber(fence)
  if byNumber then
    if fence then
      local field = string.format('q%.0f', fence)
      local hold = parseQuantity(redis.call('HGET', seats, field), now)
      if not hold or hold.free then
        return nil, 'HOLD_EXPIRED'
      elseif hold.user ~= user then
        return nil, 'NOT_OWNER'
      elseif hold.pool ~= pool then
        return nil, 'FENCED'
      elseif hold.quantity < wanted then
        return nil, 'HOLD_EXPIRED'
      end
      hold.field, hold.member = field, 'q' .. pack6(fence)
      return { hold }
    end
    local found, covered = {}, 0
    if pool then
      found, covered = quantitiesOf(user, pool, wanted, now)
    end
    if covered < wanted then
      return nil, 'HOLD_EXPIRED'
    end
    return found
  end

  local found, fields = readSeats(from, now)
  local others, fenced, expired = {}, {}, {}
  for i = 1, #fields do
    local hold = found[i]
    local name = ARGV[from + i - 1]
    if not hold or hold.free then
      expired[#expired + 1] = name
    elseif hold.user ~= user or (hold.sold and not soldToo) then
      others[#others + 1] = name
    elseif fence and fence ~= hold.fence then
      fenced[#fenced + 1] = name
    else
      hold.field = fields[i]
    end
  end
  if #others > 0 then
    return nil, 'NOT_OWNER', others
  elseif #expired > 0 then
    return nil, 'HOLD_EXPIRED', expired
  elseif #fenced > 0 then
    return nil, 'FENCED', fenced
  end
  return found
end

-- What a journal entry says of a call: a section and a quantity, or seats.
local function tellWhat(byNumber, section, quantity, from)
  if byNumber then
    return { 'section', section, 'quantity', quantity }
  end
  local told = {}
  for i = from, #ARGV do
    told[#told + 1] = 'seat'
    told[#told + 1] = ARGV[i]
  end
  return told
end
