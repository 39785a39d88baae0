// Splits a telnet-style line into words, with the quoting rules of Redis.

/** What may stand between words. */
const SPACES = new Set([32, 9, 10, 11, 12, 13, 0])
/** What ends a word; not quite the same in Redis, where a vertical tab or form feed goes on inside one. */
const ENDS = new Set([32, 9, 10, 13, 0])
const DOUBLE = 34
const SINGLE = 39
const BACKSLASH = 92
const ESCAPES = new Map([
  [110, 10],
  [114, 13],
  [116, 9],
  [98, 8],
  [97, 7],
])

/**
 * The words of a line; null where its quotes do not close or text follows a closing quote.
 * Double quotes know \n \r \t \b \a \xHH and \<any>; single quotes know \' alone (sdssplitargs in Redis).
 */
export function splitInline(line: Buffer): Buffer[] | null {
  const words: Buffer[] = []
  let at = 0
  for (;;) {
    while (at < line.length && SPACES.has(line[at])) at++
    if (at >= line.length) return words
    const word: number[] = []
    let quote = 0
    for (; at < line.length; at++) {
      const byte = line[at]
      if (quote === 0) {
        if (ENDS.has(byte)) break
        if (byte === DOUBLE || byte === SINGLE) quote = byte
        else word.push(byte)
      } else if (byte === quote) {
        if (at + 1 < line.length && !SPACES.has(line[at + 1])) return null
        quote = 0
        at++
        break
      } else if (byte === BACKSLASH && quote === DOUBLE && at + 1 < line.length) {
        const hex = line[at + 1] === 120 ? hexByte(line, at + 2) : -1
        if (hex >= 0) {
          word.push(hex)
          at += 3
        } else {
          word.push(ESCAPES.get(line[at + 1]) ?? line[at + 1])
          at++
        }
      } else if (byte === BACKSLASH && quote === SINGLE && line[at + 1] === SINGLE) {
        word.push(SINGLE)
        at++
      } else {
        word.push(byte)
      }
    }
    if (quote !== 0) return null
    words.push(Buffer.from(word))
  }
}

function hexByte(line: Buffer, at: number): number {
  const text = line.toString('latin1', at, at + 2)
  return /^[0-9a-fA-F]{2}$/.test(text) ? Number.parseInt(text, 16) : -1
}
