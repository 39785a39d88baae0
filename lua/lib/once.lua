-- Gives a client that repeats its ID the first result, and refuses the ID with other arguments.

-- The digest covers the command and its arguments, each with its length, so that no two lists read alike.
local function digestOf(...)
  local parts = { ... }
  for i = 1, #parts do
    parts[i] = #parts[i] .. ':' .. parts[i]
  end
  return string.sub(redis.sha1hex(table.concat(parts)), 1, 16)
end

local function givenBefore(id, digest, now)
  local kept = id ~= '' and recall('i' .. id, now)
  if not kept then
    return nil
  end
  local first, at = string.match(kept, '^%d+,(%x+),()')
  if first ~= digest then
    return redis.error_reply('IDMISMATCH this ID was used with other arguments')
  end
  return cmsgpack.unpack(string.sub(kept, at))
end

local function keepFor(generations, id, digest, result, dedupeMs, now)
  if id ~= '' then
    -- Where nothing else is remembered, an ID still outlives the time a caller tries again.
    local deadline = now + math.max(dedupeMs, 20000)
    local value = string.format('%.0f,', deadline) .. digest .. ',' .. cmsgpack.pack(result)
    remember(generations, 'i' .. id, value, deadline, now)
  end
  return result
end
