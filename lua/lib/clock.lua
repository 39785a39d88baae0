-- Reads Redis's clock once: what time it is for deadlines, and what time ids carry, which never goes back.

-- A failover can leave `last` ahead of the new master's clock. A little is waited out, so that no deadline
-- moves back; more than five seconds is not, or every hold and pass would stand still for that long.
local function readClock(last)
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  last = tonumber(last) or 0
  if last <= now then
    return now, now
  end
  if last - now <= 5000 then
    return last, last
  end
  return now, last
end
