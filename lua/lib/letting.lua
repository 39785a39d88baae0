-- Moves people from the line to the admitted, each with a pass.

-- Who has not been heard of for `idle_ms` is absent; a join counts, and so does the day the setting was made.
local function isAbsent(heard, joined, state, now)
  local last = tonumber(heard or nil) or math.max(joined, tonumber(state.idle_since or 0))
  return last < now - tonumber(state.idle_ms)
end

-- Up to `room` entries from the front, and the absent among them; at most 500 are looked at.
local function chooseFront(state, room, now)
  local chosen, absent, looked = {}, {}, 0
  local idle = tonumber(state.idle_ms or 0) > 0
  while #chosen < room and looked < 500 do
    local size = idle and math.min(math.max(room - #chosen, 50), 500 - looked) or room
    local front = redis.call('ZRANGE', line, looked + 1, looked + size, 'WITHSCORES')
    local numbers, tokens = {}, {}
    for i = 1, #front, 2 do
      tokens[#tokens + 1] = front[i]
      numbers[#numbers + 1] = front[i + 1]
    end
    if #tokens == 0 then
      break
    end
    local held = readTickets(numbers)
    local heard = idle and redis.call('ZMSCORE', seen, unpack(tokens))
    for i = 1, #tokens do
      if #chosen == room then
        break
      end
      local ms, at, ttl, by, user = unpack(held[i] or { '0', '0', '', '', '' })
      local entry = {
        number = numbers[i], token = tokens[i], id = idOf(ms, numbers[i]), at = at, ttl = ttl, by = by, user = user,
      }
      if idle and isAbsent(heard[i], tonumber(ms), state, now) then
        absent[#absent + 1] = entry
      else
        chosen[#chosen + 1] = entry
      end
    end
    looked = looked + #tokens
    if #tokens < size then
      break
    end
  end
  return chosen, absent
end

local PACE_MS = 60000

local function countPace(state, count, now)
  local start, before, current, first = string.match(state.pace or '', '^(%d+),(%d+),(%d+),(%d+)$')
  start, before, current, first =
    tonumber(start or now), tonumber(before or 0), tonumber(current or 0), tonumber(first or now)
  if now - start >= PACE_MS then
    before = now - start < 2 * PACE_MS and current or 0
    start, current = now, 0
  end
  return string.format('%.0f,%d,%d,%.0f', start, before, current + count, first)
end

-- A pass is a digest of the proxy's random seed and the entry's own id: nobody who knows other passes can
-- tell it. `forced` leaves the bucket as it is.
local function letIn(state, chosen, absent, level, forced, seed, now, stamp)
  local gone = {}
  for i = 1, #absent do
    gone[i] = absent[i]
  end
  for i = 1, #chosen do
    gone[#gone + 1] = chosen[i]
  end
  takeOut(gone)
  local seq = tonumber(state.seq)
  local ms = string.format('%.0f', stamp)
  local deadline = string.format('%.0f', now + tonumber(state.pass_ttl_ms or 120000))
  local texts, scores = {}, {}
  for i = 1, #chosen do
    local entry = chosen[i]
    entry.pass = string.sub(redis.sha1hex(seed .. ':' .. entry.id), 1, 32)
    entry.deadline = tonumber(deadline)
    texts[#texts + 1] = 't' .. entry.token
    texts[#texts + 1] = table.concat(
      { 'admitted', entry.id, entry.at, entry.by, entry.ttl, deadline, entry.pass, entry.user }, ','
    )
    texts[#texts + 1] = 'p' .. entry.pass
    texts[#texts + 1] = entry.token
    scores[#scores + 1] = deadline
    scores[#scores + 1] = entry.token
  end
  if #chosen > 0 then
    redis.call('HSET', tickets, unpack(texts))
    redis.call('ZADD', admitted, unpack(scores))
  end
  local generations = { state.dedupe, state.dedupe_ends0, state.dedupe_ends1 }
  for i = 1, #gone do
    local entry = gone[i]
    seq = seq + 1
    if not entry.pass then
      bury(
        generations, 'expired', entry.token, entry, tonumber(state.dedupe_ttl_ms or 300000),
        tonumber(state.remember_ms or 600000), now
      )
    end
    if state.journal ~= 'none' then
      redis.call(
        'XADD', journal, ms .. '-' .. string.format('%.0f', seq), 'type', entry.pass and 'admitted' or 'expired',
        'token', entry.token, 'user', entry.user
      )
    end
  end
  state.seq = string.format('%.0f', seq)
  local fields = { 'seq', state.seq, 'clock', ms }
  if #chosen > 0 then
    state.admitted_total = (state.admitted_total or 0) + #chosen
    state.pace = countPace(state, #chosen, now)
    fields[5], fields[6], fields[7], fields[8] = 'admitted_total', state.admitted_total, 'pace', state.pace
    if level and not forced then
      state.bucket, state.bucket_at = string.format('%.6f', level - #chosen), string.format('%.0f', now)
      fields[9], fields[10], fields[11], fields[12] = 'bucket', state.bucket, 'bucket_at', state.bucket_at
    end
  end
  if #absent > 0 then
    fields[#fields + 1] = 'dropped_total'
    fields[#fields + 1] = (state.dropped_total or 0) + #absent
  end
  redis.call('HSET', event, unpack(fields))
end
