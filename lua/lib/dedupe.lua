-- Remembers keys for a time in two generations: an old one is dropped whole, never entry by entry.

-- Names inside: `d` a client's dedupe key, `t` a token that is gone, `i` a client's ID. Each value begins
-- with its own deadline.
local function recall(name, now)
  local value = redis.call('HGET', dedupe0, name)
  if not value or tonumber(string.match(value, '^%d+')) < now then
    value = redis.call('HGET', dedupe1, name)
  end
  if value and tonumber(string.match(value, '^%d+')) >= now then
    return value
  end
end

-- `generations` holds the event's fields dedupe, dedupe_ends0, dedupe_ends1: which one is written to, and by when all of each
-- is over. That time is rounded up to a minute, so that it is seldom written.
local function remember(generations, name, value, deadline, now)
  local current = generations[1] or '0'
  local over = { ['0'] = tonumber(generations[2] or 0), ['1'] = tonumber(generations[3] or 0) }
  local keys = { ['0'] = dedupe0, ['1'] = dedupe1 }
  local other = current == '0' and '1' or '0'
  if over[current] > 0 and over[other] < now then
    local ttl = redis.call('PTTL', keys[other])
    redis.call('UNLINK', keys[other])
    redis.call('HSET', keys[other], '', '')
    if ttl > 0 then
      redis.call('PEXPIRE', keys[other], ttl)
    end
    current, over[other] = other, 0
    generations[1] = current
    redis.call('HSET', event, 'dedupe', current)
  end
  redis.call('HSET', keys[current], name, value)
  if deadline > over[current] then
    local ends = string.format('%.0f', math.ceil(deadline / 60000) * 60000)
    generations[current == '0' and 2 or 3] = ends
    redis.call('HSET', event, 'dedupe_ends' .. current, ends)
  end
end
