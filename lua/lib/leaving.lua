-- Takes entries out of the line and remembers their tokens for a while.

-- Each entry has its number and its token. Removes before it writes: a full memory does not stop what frees.
local function takeOut(entries)
  local numbers, tokens, members = {}, {}, {}
  for i = 1, #entries do
    numbers[i], tokens[i] = entries[i].number, entries[i].token
    members[i] = pack6(tonumber(entries[i].number))
  end
  redis.call('ZREM', users, unpack(members))
  redis.call('ZREM', line, unpack(tokens))
  local fields, lines = {}, {}
  for i = 1, #numbers do
    local field, mark = placeOf(numbers[i])
    if not lines[field] then
      fields[#fields + 1] = field
      lines[field] = redis.call('HGET', tickets, field) or ''
    end
    local from = string.find(lines[field], mark, 1, true)
    if from then
      local to = string.find(lines[field], '\n', from + 1, true)
      lines[field] = string.sub(lines[field], 1, from - 1) .. (to and string.sub(lines[field], to) or '')
    end
  end
  local empty, kept = {}, {}
  for i = 1, #fields do
    if lines[fields[i]] == '' then
      empty[#empty + 1] = fields[i]
    else
      kept[#kept + 1] = fields[i]
      kept[#kept + 1] = lines[fields[i]]
    end
  end
  if #empty > 0 then
    redis.call('HDEL', tickets, unpack(empty))
  end
  if #kept > 0 then
    redis.call('HSET', tickets, unpack(kept))
  end
end

-- The token stays a dedupe key until its time, counted from the join, is over; STATUS knows it for
-- `rememberMs`; a join that is sent again finds its request id for twenty seconds.
local function bury(generations, state, token, number, ticket, dedupeMs, rememberMs, now)
  local ms, at, ttl, by = ticket[1], ticket[2], ticket[3], ticket[4]
  local dedupeUntil = 0
  if ttl ~= '-' then
    dedupeUntil = tonumber(ms) + tonumber(ttl ~= '' and ttl or dedupeMs)
  end
  if now - tonumber(ms) > 20000 then
    by = ''
  end
  local deadline = math.max(dedupeUntil, now + math.max(rememberMs, 20000))
  local value = string.format('%.0f,%.0f,', deadline, dedupeUntil)
    .. table.concat({ state, idOf(ms, number), at, by }, ',')
  remember(generations, 't' .. token, value, deadline, now)
end
