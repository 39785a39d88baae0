-- Notes that someone who waits was heard of.

-- Not more often than ten times in `idle_ms`, so that most polls write nothing.
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
    redis.call('ZADD', seen, unpack(fresh))
  end
end
