-- What is known of a token that was let in: a field `t` and the token in tickets, found again by its pass.

-- `state,id,position,requestId,ttl,deadline,pass,user`; a deadline of 0 is none. The field `p` and the pass
-- holds the token.
local function readPass(text)
  local state, id, at, by, ttl, deadline, pass, user =
    string.match(text, '^(%a+),([%d-]+),(%d+),([^,]*),(%-?%d*),(%d+),([^,]*),(.*)$')
  return {
    state = state, id = id, at = at, by = by, ttl = ttl, deadline = tonumber(deadline), pass = pass, user = user,
  }
end

local function writePass(token, held)
  redis.call(
    'HSET', tickets, 't' .. token, table.concat({
      held.state, held.id, held.at, held.by, held.ttl, string.format('%.0f', held.deadline), held.pass, held.user,
    }, ',')
  )
end

local function isLive(held, now)
  return held.deadline == 0 or held.deadline > now
end

-- Takes a token out of the admitted or the inside. Removes before it writes, as a full memory demands.
local function dropPass(token, held)
  redis.call('ZREM', admitted, token)
  redis.call('ZREM', inside, token)
  redis.call('HDEL', tickets, 't' .. token, 'p' .. held.pass)
end
