// Client bytes become requests or one protocol error, however they are cut, and never more than the limits.

import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Request } from '../../src/resp/request.ts'
import {
  commandOf,
  ProtocolError,
  RequestDecoder,
  type RequestLimits,
} from '../../src/resp/request-decoder.ts'

const LIMITS: RequestLimits = {
  maxArguments: 1_048_576,
  maxBulkBytes: 512 * 1024 * 1024,
  maxRequestBytes: 1024 * 1024 * 1024,
}

/** A request as its words, one character a byte; an error as its text behind an exclamation mark. */
type Outcome = string[] | `!${string}`

function wordsOf(request: Request): string[] {
  return Array.from({ length: request.argc }, (_, i) => request.text(i))
}

/** Feeds the pieces, and asks for requests after each until there are no more. */
function decode(pieces: readonly Buffer[], limits = LIMITS, authenticated = true): Outcome[] {
  const decoder = new RequestDecoder(limits)
  decoder.authenticated = authenticated
  const outcomes: Outcome[] = []
  for (const piece of pieces) {
    decoder.push(piece)
    for (;;) {
      const decoded = decoder.next()
      if (decoded === null) break
      if (decoded instanceof ProtocolError) return [...outcomes, `!${decoded.message}`]
      outcomes.push(wordsOf(decoded))
    }
  }
  return outcomes
}

function bytewise(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.from([byte]))
}

/** Holds `bytes` against what is expected of them: whole, byte by byte, and in two pieces cut anywhere. */
function decodesTo(
  t: Test,
  name: string,
  bytes: Buffer | string,
  expected: Outcome[],
  limits = LIMITS,
  authenticated = true,
): void {
  const whole = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
  t.same(decode([whole], limits, authenticated), expected, `${name}, whole`)
  t.same(decode(bytewise(whole), limits, authenticated), expected, `${name}, byte by byte`)
  for (let cut = 1; cut < whole.length; cut++) {
    const outcome = decode([whole.subarray(0, cut), whole.subarray(cut)], limits, authenticated)
    if (!isDeepStrictEqual(outcome, expected)) {
      t.same(outcome, expected, `${name}, cut behind byte ${cut}`)
      return
    }
  }
  t.pass(`${name}, cut anywhere`)
}

t.test('an array of bulk strings is a request', async (t) => {
  decodesTo(t, 'one word', '*1\r\n$4\r\nPING\r\n', [['PING']])
  decodesTo(t, 'three words', '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n', [['SET', 'k', 'value']])
  decodesTo(t, 'an empty word', '*2\r\n$3\r\nGET\r\n$0\r\n\r\n', [['GET', '']])
  decodesTo(t, 'line ends in a word', '*2\r\n$4\r\nECHO\r\n$6\r\n\r\n$1\r\n\r\n', [['ECHO', '\r\n$1\r\n']])
  decodesTo(t, 'bytes that are no text', '*2\r\n$4\r\nECHO\r\n$4\r\n\x00\xff\x80\n\r\n', [
    ['ECHO', '\x00\xff\x80\n'],
  ])
  decodesTo(t, 'several in a row', '*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n*2\r\n$1\r\nc\r\n$0\r\n\r\n', [
    ['a'],
    ['b'],
    ['c', ''],
  ])
  decodesTo(t, 'one that is not complete', '*2\r\n$4\r\nECHO\r\n$5\r\nabc', [])
})

t.test('a line is a request, with the quotes of Redis', async (t) => {
  decodesTo(t, 'words', 'SET key value\r\n', [['SET', 'key', 'value']])
  decodesTo(t, 'a bare line feed', 'PING\n', [['PING']])
  decodesTo(t, 'spaces around', '  GET \t key  \r\n', [['GET', 'key']])
  decodesTo(t, 'double quotes', 'ECHO "a b"\r\n', [['ECHO', 'a b']])
  decodesTo(t, 'escapes', 'ECHO "\\n\\r\\t\\b\\a\\x41\\xfF\\"\\\\\\q"\r\n', [
    ['ECHO', '\n\r\t\b\x07A\xff"\\q'],
  ])
  decodesTo(t, 'half an escape', 'ECHO "\\x4g"\r\n', [['ECHO', 'x4g']])
  decodesTo(t, 'single quotes', "ECHO 'a \\'b\\' \\n'\r\n", [['ECHO', "a 'b' \\n"]])
  decodesTo(t, 'nothing in quotes', 'ECHO "" \'\'\r\n', [['ECHO', '', '']])
  decodesTo(t, 'quotes in the middle', 'ECHO ab"c d"\r\n', [['ECHO', 'abc d']])
  decodesTo(t, 'bytes that are no text', 'ECHO \xff\x80\xfe\r\n', [['ECHO', '\xff\x80\xfe']])
  decodesTo(t, 'a carriage return inside', 'ECHO a\rb\r\n', [['ECHO', 'a', 'b']])
  decodesTo(t, 'both forms in turn', 'PING\r\n*1\r\n$4\r\nPING\r\nPING x\n*1\r\n$4\r\nQUIT\r\n', [
    ['PING'],
    ['PING'],
    ['PING', 'x'],
    ['QUIT'],
  ])
  for (const line of ['ECHO "a', "ECHO 'a", 'ECHO "a"b', "ECHO 'a'b", 'ECHO "a\\']) {
    decodesTo(t, line, `PING\r\n${line}\r\n`, [['PING'], '!Protocol error: unbalanced quotes in request'])
  }
})

t.test('empty arrays, null arrays and blank lines are passed over', async (t) => {
  decodesTo(t, 'an empty array', '*0\r\n*1\r\n$4\r\nPING\r\n', [['PING']])
  decodesTo(t, 'a null array', '*-1\r\n*1\r\n$4\r\nPING\r\n', [['PING']])
  decodesTo(t, 'blank lines', '\r\n\n   \r\nPING\r\n\r\n', [['PING']])
  decodesTo(t, 'nothing else', '*0\r\n*-1\r\n\r\n\n', [])
})

t.test('bytes that Redis refuses are refused in its words, behind what came before', async (t) => {
  const before = '*1\r\n$4\r\nPING\r\n'
  for (const [bytes, error] of [
    ['*x\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*01\r\n', 'invalid multibulk length'],
    ['*+1\r\n', 'invalid multibulk length'],
    ['* 1\r\n', 'invalid multibulk length'],
    ['*1.5\r\n', 'invalid multibulk length'],
    ['*-\r\n', 'invalid multibulk length'],
    ['*-0\r\n', 'invalid multibulk length'],
    ['*2147483648\r\n', 'invalid multibulk length'],
    ['*99999999999999999999999\r\n', 'invalid multibulk length'],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$\r\n', 'invalid bulk length'],
    ['*1\r\n$x\r\n', 'invalid bulk length'],
    ['*1\r\n$04\r\nPING\r\n', 'invalid bulk length'],
    ['*1\r\n$536870913\r\n', 'invalid bulk length'],
    ['*1\r\n$99999999999999999999999\r\n', 'invalid bulk length'],
    ['*1\r\n:1\r\n', "expected '$', got ':'"],
    ['*1\r\nPING\r\n', "expected '$', got 'P'"],
    ['*1\r\n*1\r\n$4\r\nPING\r\n', "expected '$', got '*'"],
  ]) {
    decodesTo(t, JSON.stringify(bytes), before + bytes, [['PING'], `!Protocol error: ${error}`])
  }
})

t.test('an argument that does not end where it says is refused', async (t) => {
  for (const bytes of ['*1\r\n$4\r\nPINGS\r\n', '*1\r\n$4\r\nPING\n\n', '*2\r\n$1\r\naXX$1\r\nb\r\n']) {
    decodesTo(t, JSON.stringify(bytes), bytes, ['!Protocol error: expected a line end after the argument'])
  }
})

t.test('the limits hold at their edge', async (t) => {
  const limits = { maxArguments: 3, maxBulkBytes: 8, maxRequestBytes: 40 }
  const three = '*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n'
  decodesTo(t, 'as many arguments as allowed', three, [['a', 'b', 'c']], limits)
  decodesTo(
    t,
    'one more',
    `${three}*4\r\n`,
    [['a', 'b', 'c'], '!Protocol error: invalid multibulk length'],
    limits,
  )
  decodesTo(t, 'as long as allowed', '*1\r\n$8\r\n12345678\r\n', [['12345678']], limits)
  decodesTo(t, 'one byte more', '*1\r\n$9\r\n', ['!Protocol error: invalid bulk length'], limits)
  const request = '*3\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n$4\r\n1234\r\n'
  // The last argument ends before its line end does.
  const { length } = request
  decodesTo(t, 'a request as large as allowed', request, [['12345678', '12345678', '1234']], {
    ...limits,
    maxRequestBytes: length - 2,
  })
  decodesTo(t, 'one byte more', request, ['!Protocol error: too big request'], {
    ...limits,
    maxRequestBytes: length - 3,
  })
})

t.test('a line of 64 KB without an end is refused, one that ends before is not', async (t) => {
  const word = 'x'.repeat(64 * 1024 - 'ECHO '.length - 1)
  t.same(decode([Buffer.from(`ECHO ${word}\r\n`)]), [['ECHO', word]])
  t.same(decode(bytewise(Buffer.from(`ECHO ${word}\n`))), [['ECHO', word]])
  const endless = Buffer.alloc(64 * 1024 + 1, 'x')
  t.same(decode([endless]), ['!Protocol error: too big inline request'])
  t.same(decode(bytewise(endless)), ['!Protocol error: too big inline request'])
  t.same(decode([endless.subarray(1)]), [])
})

t.test('before authentication, 10 arguments of 16 KB are the limit', async (t) => {
  const ten = Buffer.concat([commandOf(Array(10).fill('a')).buffers()[0]!])
  decodesTo(t, 'ten arguments', ten, [Array(10).fill('a')], LIMITS, false)
  decodesTo(t, 'eleven', '*11\r\n', ['!Protocol error: unauthenticated multibulk length'], LIMITS, false)
  const word = 'x'.repeat(16 * 1024)
  t.same(decode([Buffer.from(`*2\r\n$4\r\nAUTH\r\n$16384\r\n${word}\r\n`)], LIMITS, false), [['AUTH', word]])
  decodesTo(
    t,
    'one byte more',
    '*1\r\n$16385\r\n',
    ['!Protocol error: unauthenticated bulk length'],
    LIMITS,
    false,
  )

  t.test('and the ordinary limits from the next request on', async (t) => {
    const decoder = new RequestDecoder(LIMITS)
    decoder.authenticated = false
    decoder.push(Buffer.concat([Buffer.from('AUTH x\r\n'), commandOf(Array(11).fill('a')).buffers()[0]!]))
    t.same(wordsOf(decoder.next() as Request), ['AUTH', 'x'])
    decoder.authenticated = true
    t.same(wordsOf(decoder.next() as Request), Array(11).fill('a'))
  })
})

/** Deterministic bytes that tell where they are. */
function pattern(length: number, salt = 0): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + salt) & 0xff
  return bytes
}

function cutEvery(bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = []
  // Each read of a socket is a buffer of its own.
  for (let at = 0; at < bytes.length; at += size) pieces.push(Buffer.from(bytes.subarray(at, at + size)))
  return pieces
}

function firstRequest(pieces: readonly Buffer[]): Request | null {
  const decoder = new RequestDecoder(LIMITS)
  let found: Request | null = null
  for (const piece of pieces) {
    decoder.push(piece)
    const decoded = decoder.next()
    if (decoded instanceof ProtocolError) throw new Error(decoded.message)
    found ??= decoded
  }
  return found
}

t.test('a large argument stays in the buffers it came in', async (t) => {
  const value = pattern(5 * 1024 * 1024)
  const [bytes] = commandOf(['SET', 'key', value, 'PX', '100']).buffers() as [Buffer]
  const pieces = cutEvery(bytes, 64 * 1024)
  const request = firstRequest(pieces)!
  t.equal(request.argc, 5)
  t.equal(request.byteLength, bytes.length)
  t.equal(request.argLength(2), value.length)
  t.equal(request.text(1), 'key')
  t.equal(request.text(3), 'PX')
  t.equal(request.text(4), '100')
  t.ok(request.arg(2).equals(value), 'the argument across buffers')
  const buffers = request.buffers()
  t.ok(Buffer.concat(buffers).equals(bytes), 'all bytes in order')
  t.equal(buffers.length, pieces.length + 1, 'what stands behind the payload is one more')
  t.ok(
    buffers.slice(1, -2).every((buffer, i) => buffer.buffer === pieces[i + 1]!.buffer),
    'nothing was copied',
  )
})

t.test('a large argument in many tiny reads is packed into few buffers', async (t) => {
  const value = pattern(300_000)
  const [bytes] = commandOf(['SET', 'key', value]).buffers() as [Buffer]
  for (const size of [1, 7, 100, 4095]) {
    const request = firstRequest(cutEvery(bytes, size))!
    t.ok(request.arg(2).equals(value), `reads of ${size}`)
    t.ok(Buffer.concat(request.buffers()).equals(bytes))
    t.ok(request.buffers().length < 12, `${request.buffers().length} buffers`)
  }
})

t.test('large and small arguments may be mixed, and requests may follow in the same read', async (t) => {
  const first = [
    'MSET',
    'a',
    pattern(100_000, 1),
    'b',
    'small',
    'c',
    pattern(33_000, 2),
    'd',
    pattern(32_768, 3),
  ]
  const second = ['GET', 'a']
  const third = ['SET', 'e', pattern(70_000, 4)]
  const expected = [first, second, third].map((words) => words.map((word) => Buffer.from(word)))
  const bytes = Buffer.concat(
    expected.flatMap((words) => commandOf(words).buffers()).concat(Buffer.from('PING\r\n')),
  )
  for (const size of [1, 1000, 4096, 20_000, 32_768, 65_536, 100_001, bytes.length]) {
    const decoder = new RequestDecoder(LIMITS)
    const found: Buffer[][] = []
    for (const piece of cutEvery(bytes, size)) {
      decoder.push(piece)
      for (let next = decoder.next(); next !== null; next = decoder.next()) {
        if (next instanceof ProtocolError) throw new Error(next.message)
        const request = next
        found.push(Array.from({ length: request.argc }, (_, i) => Buffer.from(request.arg(i))))
      }
    }
    const wanted = [...expected, [Buffer.from('PING')]]
    t.ok(isDeepStrictEqual(found, wanted), `in reads of ${size}`)
    t.equal(decoder.heldBytes, 0)
  }
})

t.test('a request goes on to be right while the next ones arrive', async (t) => {
  // A request is views of the decoder's buffer, so what is read later must never be written over it.
  const decoder = new RequestDecoder(LIMITS)
  const kept: { request: Request; words: string[] }[] = []
  const words = Array.from({ length: 2000 }, (_, i) => ['SET', `key-${i}`, `value-${i * 7919}`])
  const bytes = Buffer.concat(words.flatMap((command) => commandOf(command).buffers()))
  for (const piece of cutEvery(bytes, 37)) {
    decoder.push(piece)
    for (let next = decoder.next(); next !== null; next = decoder.next()) {
      if (next instanceof ProtocolError) throw new Error(next.message)
      kept.push({ request: next, words: words[kept.length]! })
    }
  }
  t.equal(kept.length, words.length)
  t.ok(kept.every(({ request, words }) => isDeepStrictEqual(wordsOf(request), words)))
})

t.test('however a valid stream is cut, its requests encode to the same bytes again', async () => {
  const word = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.constantFrom(Buffer.from('\r\n'), Buffer.from('$5\r\n'), Buffer.from('*1\r\n'), Buffer.alloc(0)),
    fc.integer({ min: 32_000, max: 70_000 }).map((length) => pattern(length, length)),
  )
  const command = fc.array(word, { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 6 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (commands, cuts) => {
        const bytes = Buffer.concat(
          commands.flatMap((words) => commandOf(words.map((part) => Buffer.from(part))).buffers()),
        )
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
        const decoder = new RequestDecoder(LIMITS)
        const again: Buffer[] = []
        let count = 0
        for (let i = 1; i < places.length; i++) {
          const piece = Buffer.from(bytes.subarray(places[i - 1], places[i]))
          if (piece.length === 0) continue
          decoder.push(piece)
          for (let next = decoder.next(); next !== null; next = decoder.next()) {
            if (next instanceof ProtocolError) throw new Error(next.message)
            again.push(
              ...commandOf(Array.from({ length: next.argc }, (_, j) => (next as Request).arg(j))).buffers(),
            )
            if (
              !Buffer.concat(next.buffers()).equals(
                commandOf(commands[count]!.map((w) => Buffer.from(w))).head,
              )
            )
              return false
            count++
          }
        }
        return decoder.heldBytes === 0 && Buffer.concat(again).equals(bytes)
      },
    ),
    { numRuns: 400 },
  )
})

/** Small, fast, and the same for the same seed. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) % below
  }
}

t.test('100,000 mutilated streams end in requests, "more", or a protocol error, within bounds', async (t) => {
  const seed = Number(process.env.TQ_FUZZ_SEED ?? Date.now() % 0xffffffff)
  t.comment(`seed ${seed}, again with TQ_FUZZ_SEED=${seed}`)
  const random = randomNumbers(seed)
  const limits = { maxArguments: 64, maxBulkBytes: 100_000, maxRequestBytes: 150_000 }
  // What a request may be held as: all of it, or a line, and the last line end.
  const maxHeld = 150_000 + 32
  const seeds = [
    '*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n',
    '*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*0\r\n*-1\r\n',
    'SET key "a \\x41 b"\r\nPING\n\r\n',
    "ECHO 'single \\' quote'\r\n*1\r\n$4\r\nQUIT\r\n",
    `*${12}\r\n${'$2\r\nab\r\n'.repeat(12)}`,
  ].map((text) => Buffer.from(text))
  const large = commandOf(['SET', 'k', pattern(40_000), 'x', pattern(36_000)]).head
  const spice = [
    '*',
    '$',
    '\r\n',
    '\r',
    '\n',
    '-',
    '0',
    '9'.repeat(25),
    '2147483648',
    '"',
    '\\x',
    '\0',
    '*1\r\n',
    '$0\r\n',
  ]
  const problems: string[] = []
  const seen = { requests: 0, errors: 0, more: 0 }
  for (let run = 0; run < 100_000 && problems.length < 5; run++) {
    let bytes: Buffer = Buffer.from(run % 1000 === 0 ? large : seeds[random(seeds.length)]!)
    for (let mutations = random(4); mutations >= 0; mutations--) {
      const at = random(bytes.length + 1)
      const to = Math.min(at + random(6), bytes.length)
      switch (random(5)) {
        case 0:
          if (at < bytes.length) bytes[at] = random(256)
          break
        case 1:
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)])
          break
        case 2:
          bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)])
          break
        case 3:
          bytes = Buffer.concat([
            bytes.subarray(0, at),
            Buffer.from(spice[random(spice.length)]!),
            bytes.subarray(at),
          ])
          break
        default:
          bytes = Buffer.concat([bytes, seeds[random(seeds.length)]!])
      }
    }
    const decoder = new RequestDecoder(limits)
    decoder.authenticated = random(4) > 0
    let left = bytes.length + 1
    try {
      let failed = false
      for (let at = 0; at < bytes.length && !failed; ) {
        const size = Math.min(1 + random(random(3) === 0 ? 3 : bytes.length), bytes.length - at)
        decoder.push(Buffer.from(bytes.subarray(at, at + size)))
        at += size
        for (;;) {
          const decoded = decoder.next()
          if (decoded === null) {
            seen.more++
            break
          }
          if (decoded instanceof ProtocolError) {
            seen.errors++
            failed = true
            break
          }
          seen.requests++
          if (--left < 0) throw new Error('more requests than bytes')
          if (decoded.argc < 1) throw new Error('a request without a name')
          let total = 0
          for (let i = 0; i < decoded.argc; i++) {
            if (decoded.arg(i).length !== decoded.argLength(i))
              throw new Error('an argument of another length')
            total += decoded.argLength(i)
          }
          if (total > decoded.byteLength) throw new Error('arguments longer than their request')
        }
        if (decoder.heldBytes > maxHeld) throw new Error(`${decoder.heldBytes} bytes held`)
      }
    } catch (error) {
      problems.push(
        `run ${run}: ${(error as Error).message}: ${JSON.stringify(bytes.toString('latin1', 0, 300))}`,
      )
    }
  }
  t.same(problems, [])
  t.comment(JSON.stringify(seen))
  t.ok(seen.requests > 10_000 && seen.errors > 10_000 && seen.more > 10_000, 'all three were met often')
})
