-- Gives a request that the proxy sends again its first result, for at least ten seconds.

-- A request id begins with `1` on the first try, which has nothing to look up, and with `2` on a retry.
local function replayed()
  if string.byte(requestId) == 50 then
    local id = string.sub(requestId, 2)
    local kept = redis.call('HGET', replay0, id) or redis.call('HGET', replay1, id)
    return kept and cmsgpack.unpack(kept)
  end
end

local function record(result, now)
  if requestId == '' then
    return result
  end
  local turn = redis.call('HMGET', event, 'replay', 'replay_ends', 'closed')
  local current = turn[1] or '0'
  if tonumber(turn[2] or 0) <= now then
    current = current == '0' and '1' or '0'
    local older = current == '0' and replay0 or replay1
    local ttl = redis.call('PTTL', older)
    redis.call('UNLINK', older)
    redis.call('HSET', older, '', '')
    if ttl > 0 then
      redis.call('PEXPIRE', older, ttl)
    end
    redis.call('HSET', event, 'replay', current, 'replay_ends', string.format('%.0f', now + 10000))
  end
  local key = current == '0' and replay0 or replay1
  redis.call('HSET', key, string.sub(requestId, 2), cmsgpack.pack(result))
  -- Settings can change when the rest of a closed event is gone: nothing else may stay for it.
  if turn[3] and tonumber(turn[3]) <= now then
    redis.call('PEXPIRE', key, 20000)
  end
  return result
end
