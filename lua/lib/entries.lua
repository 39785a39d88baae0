-- Reads many tickets at once.

-- Per number: { ms, position, ttl, requestId, user }, or false.
local function readTickets(numbers)
  local fields, marks, index = {}, {}, {}
  for i = 1, #numbers do
    local field, mark = placeOf(numbers[i])
    marks[i] = { field, mark }
    if not index[field] then
      fields[#fields + 1] = field
      index[field] = #fields
    end
  end
  local found = {}
  if #fields == 0 then
    return found
  end
  local lines = redis.call('HMGET', tickets, unpack(fields))
  for i = 1, #numbers do
    local ticket = { parseTicket(lines[index[marks[i][1]]], marks[i][2]) }
    found[i] = ticket[1] and ticket
  end
  return found
end
