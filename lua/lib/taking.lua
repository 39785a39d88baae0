-- Takes entries out of the line.

-- Each entry has its number and its token. Removes before it writes: a full memory does not stop what frees.
local function takeOut(entries)
  local tokens, members, fields, lines = {}, {}, {}, {}
  for i = 1, #entries do
    local number = entries[i].number
    tokens[i] = entries[i].token
    members[i] = pack6(tonumber(number))
    local field, mark = placeOf(number)
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
  redis.call('ZREM', users, unpack(members))
  redis.call('ZREM', line, unpack(tokens))
  redis.call('ZREM', seen, unpack(tokens))
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
