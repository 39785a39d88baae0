-- Notes that someone who waits was heard of.

-- Not more often than ten times in `idle_ms`, so that most polls write nothing. What keeps it from being written,
-- such as a full memory, is returned: a poll is answered all the same.
local function hear(tokens, idleMs, now)
  local before = redis.call('ZMSCORE', seen, unpack(tokens))
  local fresh = {}
  for i = 1, #tokens do
    if (tonumber(before[i] or nil) or 0) < now - idleMs / 10 then
      fresh[#fresh + 1] = string.format('%.0f', now)
      fresh[#fresh + 1] = tokens[i]
    end
  end
  if #fresh > 0 then
    local result = redis.pcall('ZADD', seen, unpack(fresh))
    return type(result) == 'table' and result or nil
  end
end
