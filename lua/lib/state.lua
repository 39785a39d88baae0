-- Reads fields of the event into a table by name, nil where they are not set.

local function readEvent(...)
  local names = { ... }
  local values = redis.call('HMGET', event, ...)
  local state = {}
  for i = 1, #names do
    state[names[i]] = values[i] or nil
  end
  return state
end

-- A closed event whose time to live is over has nothing but its mark: nothing may be written beside it.
local function isGone(state, now)
  return not state.layout or (state.closed and tonumber(state.closed) <= now)
end
