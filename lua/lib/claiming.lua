-- Turns who was admitted into who is inside, when the pass is first shown.

local function claim(state, token, held, now, stamp)
  local stay = tonumber(state.stay_ms or 0)
  held.state, held.deadline = 'inside', stay > 0 and now + stay or 0
  redis.call('ZREM', admitted, token)
  redis.call('ZADD', inside, stay > 0 and string.format('%.0f', held.deadline) or '+inf', token)
  writePass(token, held)
  local seq = string.format('%.0f', tonumber(state.seq) + 1)
  local ms = string.format('%.0f', stamp)
  if state.journal ~= 'none' then
    redis.call('XADD', journal, ms .. '-' .. seq, 'type', 'entered', 'token', token, 'user', held.user)
  end
  redis.call('HSET', event, 'seq', seq, 'clock', ms)
  state.seq = seq
end
