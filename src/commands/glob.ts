// Redis's globs: `*`, `?`, `[a-z]`, `[^a]`, and a backslash before what is meant as it stands.

/**
 * Whether all of `text` matches `pattern`. Both have one character a byte. Takes time in proportion to the product
 * of their lengths at worst, so a name off the wire cannot hold the proxy up.
 */
export function globMatches(pattern: string, text: string): boolean {
  let p = 0
  let at = 0
  /** Behind the last star, and how much of the text it has been given so far. */
  let star = -1
  let taken = 0
  for (;;) {
    if (pattern[p] === '*') {
      star = ++p
      taken = at
      continue
    }
    if (at === text.length) return p === pattern.length
    const next = p < pattern.length ? matchOne(pattern, p, text[at]) : -1
    if (next >= 0) {
      p = next
      at++
    } else {
      if (star < 0) return false
      p = star
      at = ++taken
    }
  }
}

/** Where the pattern goes on when the part of it at `p` takes `char`; -1 where it does not. */
function matchOne(pattern: string, p: number, char: string): number {
  switch (pattern[p]) {
    case '?':
      return p + 1
    case '[':
      return matchClass(pattern, p + 1, char)
    case '\\':
      if (p + 1 < pattern.length) return pattern[p + 1] === char ? p + 2 : -1
  }
  return pattern[p] === char ? p + 1 : -1
}

/** A class that never ends ends with the pattern, as in Redis. */
function matchClass(pattern: string, from: number, char: string): number {
  let p = from
  const not = pattern[p] === '^'
  if (not) p++
  let found = false
  for (; p < pattern.length && pattern[p] !== ']'; p++) {
    if (pattern[p] === '\\' && p + 1 < pattern.length) {
      p++
      if (pattern[p] === char) found = true
    } else if (pattern[p + 1] === '-' && p + 2 < pattern.length) {
      const [low, high] = [pattern[p], pattern[p + 2]].sort()
      if (char >= low && char <= high) found = true
      p += 2
    } else if (pattern[p] === char) found = true
  }
  return found === not ? -1 : Math.min(p + 1, pattern.length)
}
