-- The index from a user to what is theirs: a sorted set scored by a hash of the user.

-- Twice a 52-bit hash: the even score is for entries that wait, the odd one above it for holds. Users whose
-- hashes meet are told apart by the ticket or the hold itself.
local function userScore(user)
  return 2 * tonumber(string.sub(redis.sha1hex(user), 1, 13), 16)
end

-- Six bytes, first byte first: equal scores sort by member, so a user's entries are in line order. The
-- offset makes room below for entries that were migrated in front of the line.
local function pack6(seq)
  return struct.pack('>I6', seq + 1099511627776)
end

local function unpack6(member)
  return string.format('%.0f', struct.unpack('>I6', member) - 1099511627776)
end
