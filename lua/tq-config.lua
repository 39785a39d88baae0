-- TQ.CONFIG: read an event's settings, or set some of them, all or none.
-- KEYS: event (hash), line (zset), tickets (hash), users (zset), journal (stream), dedupe:0 (hash), dedupe:1 (hash), replay:0 (hash), replay:1 (hash), admitted (zset), inside (zset), seen (zset), seats (hash), holds (zset), stock (hash)
-- ARGV: requestId, layout, name value…
-- RETURNS: map of all settings, or the status OK
-- COMPLEXITY: O(k), k settings given
local event, _, _, _, _, _, _, replay0, replay1 = unpack(KEYS)
local requestId, layout = ARGV[1], ARGV[2]
-- USES: clock, opening, typed, replay

-- Default, least, most, and whether a fraction is allowed; or default and words.
local SETTINGS = {
  maxlen = { 0, 0, 1e12 }, max_per_user = { 0, 0, 1e6 }, dedupe_ttl_ms = { 300000, 0, 604800000 },
  hold_ttl_ms = { 300000, 1, 86400000 }, max_hold_ms = { 1800000, 0, 604800000 }, max_seats = { 0, 0, 10000 },
  remember_ms = { 600000, 0, 604800000 }, retain_ms = { 86400000, 1000, 31536000000 },
  rate = { 0, 0, 1e6, true }, burst = { 1, 1, 1e6 }, capacity = { 0, 0, 1e9 }, pass_ttl_ms = { 120000, 1, 604800000 },
  stay_ms = { 0, 0, 604800000 }, idle_ms = { 0, 0, 604800000 }, opens_at_ms = { 0, 0, 4e12 },
  require_pass = { 0, 0, 1 }, admit = { 'auto', { auto = true, manual = true } },
  journal = { 'event', { event = true, user = true, none = true } },
}
if #ARGV <= 2 then
  local all = {}
  for name, setting in pairs(SETTINGS) do
    all[name] = redis.call('HGET', event, name) or tostring(setting[1])
  end
  if layout ~= '' and redis.call('HEXISTS', event, 'layout') == 0 then
    all.journal = layout
  end
  return { map = all }
end

local before = replayed()
if before then
  return before
end
local state = redis.call('HMGET', event, 'layout', 'seq', 'clock')
local now = readClock(state[3])
local pairsToSet = {}
for i = 3, #ARGV, 2 do
  local name, value = string.lower(ARGV[i]), ARGV[i + 1]
  local setting = SETTINGS[name]
  if not setting then
    return redis.error_reply('BADCONF there is no setting ' .. string.format('%q', string.sub(name, 1, 64)))
  end
  if type(setting[2]) == 'table' then
    value = string.lower(value)
    if not setting[2][value] then
      return redis.error_reply('BADCONF ' .. name .. ' must be ' .. (name == 'journal' and 'event, user or none' or 'auto or manual'))
    end
    if name == 'journal' and (redis.call('HGET', event, name) or setting[1]) ~= value and tonumber(state[2] or 0) > 0 then
      return redis.error_reply('BADCONF ' .. name .. ' can be set only before anything has happened in the event')
    end
  else
    local digits = string.match(value, '^%d+$') or (setting[4] and string.match(value, '^%d+%.%d+$'))
    local number = digits and #value <= 15 and tonumber(value)
    if not number or number < setting[2] or number > setting[3] then
      return redis.error_reply(
        string.format(
          'BADCONF %s must be a %s from %.0f to %.0f', name, setting[4] and 'number' or 'whole number', setting[2],
          setting[3]
        )
      )
    end
    value = setting[4] and string.format('%.14g', number) or string.format('%.0f', number)
  end
  if name == 'idle_ms' then
    pairsToSet[#pairsToSet + 1] = 'idle_since'
    pairsToSet[#pairsToSet + 1] = string.format('%.0f', now)
  end
  pairsToSet[#pairsToSet + 1] = name
  pairsToSet[#pairsToSet + 1] = value
end
checkHashes(replay0, replay1)
if state[1] ~= '1' then
  local refusal = openEvent(state[1], layout)
  if refusal then
    return refusal
  end
end
redis.call('HSET', event, unpack(pairsToSet))
return record({ ok = 'OK' }, now)
