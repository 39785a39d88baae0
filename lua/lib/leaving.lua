-- Remembers the tokens of those who are gone.

-- The token stays a dedupe key until its time, counted from the join, is over; STATUS knows it for
-- `rememberMs`; a join that is sent again finds its request id for twenty seconds. What is gone has an id, a
-- position at the join, a ttl and a request id, as tickets have.
local function bury(generations, state, token, gone, dedupeMs, rememberMs, now)
  local joined = tonumber(string.match(gone.id, '^%d+'))
  local dedupeUntil = 0
  if gone.ttl ~= '-' then
    dedupeUntil = joined + tonumber(gone.ttl ~= '' and gone.ttl or dedupeMs)
  end
  -- A token that was its own dedupe key, and came again under another one, stays its own key until its time is over.
  -- One record at a time: the generations cannot say which of two is the newer one.
  local before = recall('t' .. token, now)
  if before then
    dedupeUntil = math.max(dedupeUntil, tonumber(string.match(before, '^%d+,(%d+)')))
    redis.call('HDEL', dedupe0, 't' .. token)
    redis.call('HDEL', dedupe1, 't' .. token)
  end
  local by = now - joined <= 20000 and gone.by or ''
  local deadline = math.max(dedupeUntil, now + math.max(rememberMs, 20000))
  local value = string.format('%.0f,%.0f,', deadline, dedupeUntil)
    .. table.concat({ state, gone.id, gone.at, by }, ',')
  remember(generations, 't' .. token, value, deadline, now)
end
