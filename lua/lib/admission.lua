-- Says how many may go in now, and how long others have to wait.

local function isOpen(state, now)
  return not state.closed and state.paused ~= 'OUT' and state.paused ~= 'ALL' and tonumber(state.opens_at_ms or 0) <= now
end

-- How many may go in now, at most 500, and the level of the token bucket, nil without a rate. Nothing is
-- written: the level follows from the last one that was and the time since.
local function allowance(state, now)
  if not isOpen(state, now) then
    return 0
  end
  local room, level = 500, nil
  local rate = tonumber(state.rate or 0)
  if rate > 0 then
    level = tonumber(state.burst or 1)
    if state.bucket then
      local since = math.max(now - tonumber(state.bucket_at), 0)
      level = math.min(level, tonumber(state.bucket) + since * rate / 1000)
    end
    room = math.min(room, math.floor(level + 1e-6))
  end
  local capacity = tonumber(state.capacity or 0)
  if capacity > 0 then
    local after = string.format('(%.0f', now)
    local taken = redis.call('ZCOUNT', admitted, after, '+inf') + redis.call('ZCOUNT', inside, after, '+inf')
    room = math.min(room, capacity - taken)
  end
  return math.max(room, 0), level
end

-- People let in per second, over the last minute or since the first: `start,before,current,first`.
local function paceOf(state, now)
  local start, before, current, first = string.match(state.pace or '', '^(%d+),(%d+),(%d+),(%d+)$')
  if not start then
    return 0
  end
  local elapsed = now - tonumber(start)
  if elapsed >= 120000 then
    return 0
  end
  local recent = elapsed >= 60000 and tonumber(current) * (120000 - elapsed) / 60000
    or tonumber(current) + tonumber(before) * (60000 - elapsed) / 60000
  return recent * 1000 / math.min(math.max(now - tonumber(first), 1000), 60000)
end

-- Time in ms until a position is at the front, nil where nobody can tell.
local function etaOf(state, position, now)
  local rate = tonumber(state.rate or 0)
  if tonumber(state.capacity or 0) > 0 or rate == 0 then
    rate = paceOf(state, now)
  end
  return rate > 0 and math.ceil(position * 1000 / rate) or nil
end

-- When to ask again: about ten times until one's turn, at least every 30 seconds.
local function pauseBeforeAsking(state, position, now)
  local opens = tonumber(state.opens_at_ms or 0) - now
  local eta = etaOf(state, position, now)
  local pause = eta and eta / 10 or 20 * position
  return math.ceil(math.min(math.max(pause, opens / 10, 500), 30000))
end
