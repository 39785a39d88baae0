-- Ends a pass: it ran out, or its owner is done.

-- STATUS tells of the token as `past`, VERIFY of the pass as `verdict`.
local function endPass(generations, token, held, past, verdict, dedupeMs, rememberMs, now)
  dropPass(token, held)
  bury(generations, past, token, held, dedupeMs, rememberMs, now)
  local deadline = now + rememberMs
  remember(generations, 'p' .. held.pass, string.format('%.0f,', deadline) .. verdict, deadline, now)
end
