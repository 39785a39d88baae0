-- Drops what the journal has kept for longer than `retain_ms`.

-- Whole nodes of the stream only, and at most `most` entries; returns how many went. To be called behind a script's
-- other writes: with the memory full, a trim that comes first would let all that follows it through.
local function trimJournal(now, most)
  local kept = tonumber(redis.call('HGET', event, 'retain_ms') or 86400000)
  return redis.call('XTRIM', journal, 'MINID', '~', string.format('%.0f', now - kept), 'LIMIT', most)
end
