-- What is known of a token: of one that waits by its sequence number, of any other by `t` and the token.

-- Tickets of eight neighbours share a field, a line each: a field of its own costs 38 bytes more per ticket.
-- A line is `number % 8,ms,position,ttl,requestId,user`. The request id and the position at the join let a
-- join that is sent again find its own first result. `ttl` is empty (the event's), a number (the join's own),
-- or `-` where a dedupe key took the token's part.
local function placeOf(number)
  local seq = tonumber(number)
  return string.format('%.0f', math.floor(seq / 8)), '\n' .. seq % 8 .. ','
end

local function escapeUser(user)
  if string.find(user, '[\n\\]') then
    return (string.gsub(string.gsub(user, '\\', '\\\\'), '\n', '\\n'))
  end
  return user
end

local function parseTicket(lines, mark)
  local at = lines and string.find(lines, mark, 1, true)
  if not at then
    return nil
  end
  local ms, position, ttl, by, user = string.match(lines, '^(%d+),(%d+),(%-?%d*),([^,]*),([^\n]*)', at + #mark)
  if string.find(user, '\\', 1, true) then
    user = string.gsub(user, '\\(.)', { n = '\n', ['\\'] = '\\' })
  end
  return ms, position, ttl, by, user
end

local function readTicket(number)
  local field, mark = placeOf(number)
  return parseTicket(redis.call('HGET', tickets, field), mark)
end

-- Later: `state,id,position,requestId` and, after another comma, whatever that state adds.
local function readPast(past)
  return string.match(past, '^(%a+),([%d-]+),(%d+),([^,]*)')
end

-- Entries migrated in front of the line have negative numbers; their ids count from 1.
local function idOf(ms, number)
  local seq = tonumber(number)
  if seq < 0 then
    seq = seq + 1099511627776
  end
  return ms .. '-' .. string.format('%.0f', seq)
end
