-- Reads the length of keys that a script will write and has not read: a wrong type shows before any write.

local function checkHashes(...)
  for i = 1, select('#', ...) do
    redis.call('HLEN', (select(i, ...)))
  end
end
