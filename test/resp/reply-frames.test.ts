// The end of a reply is found whatever is in it and however it is cut.

import fc from 'fast-check'
import t from 'tap'
import {
  FRAME_COMPLETE,
  FRAME_INVALID,
  FRAME_PARTIAL,
  FrameScanner,
  frameElements,
  frameEnd,
} from '../../src/resp/reply-frames.ts'

const FRAMES: [string, string][] = [
  ['a status', '+OK\r\n'],
  ['an empty status', '+\r\n'],
  ['an error', '-ERR what went wrong\r\n'],
  ['a number', ':-9223372036854775808\r\n'],
  ['a bulk string', '$5\r\nhello\r\n'],
  ['an empty one', '$0\r\n\r\n'],
  ['one that looks like frames', '$16\r\n+OK\r\n$-1\r\n*2\r\n\0\xff\r\n'],
  ['the nil of RESP2', '$-1\r\n'],
  ['the null array of RESP2', '*-1\r\n'],
  ['the null of RESP3', '_\r\n'],
  ['a double', ',-1.5e10\r\n'],
  ['infinity', ',inf\r\n'],
  ['a boolean', '#t\r\n'],
  ['a big number', '(3492890328409238509324850943850943825024385\r\n'],
  ['an error with a length', '!22\r\nSYNTAX invalid\r\nsyntax\r\n'],
  ['a verbatim string', '=15\r\ntxt:Some string\r\n'],
  ['an array', '*3\r\n:1\r\n$1\r\na\r\n+b\r\n'],
  ['an empty array', '*0\r\n'],
  ['arrays in arrays', '*2\r\n*2\r\n*0\r\n*1\r\n*-1\r\n*1\r\n$-1\r\n'],
  ['a map', '%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n+c\r\n*1\r\n_\r\n'],
  ['an empty map', '%0\r\n'],
  ['a set', '~3\r\n+x\r\n~1\r\n:5\r\n#f\r\n'],
  ['an attribute before its reply', '|1\r\n+ttl\r\n:3600\r\n$3\r\nkey\r\n'],
  [
    'an attribute before an array, and inside',
    '|1\r\n+a\r\n*1\r\n:1\r\n*2\r\n|2\r\n+b\r\n+c\r\n+d\r\n+e\r\n:1\r\n:2\r\n',
  ],
  ['an empty attribute', '|0\r\n+OK\r\n'],
]

const PUSH = '>3\r\n$7\r\nmessage\r\n$2\r\nch\r\n*2\r\n:1\r\n:2\r\n'

/** The frames of a stream that arrives in these pieces, pushes marked. */
function framesIn(pieces: readonly Buffer[]): string[] {
  const scanner = new FrameScanner()
  const found: string[] = []
  let buf: Buffer = Buffer.alloc(0)
  let at = 0
  for (const piece of pieces) {
    if (piece.length === 0) continue
    buf = Buffer.concat([buf, piece])
    while (at < buf.length) {
      const result = scanner.scan(buf, at)
      if (result === FRAME_INVALID) return [...found, 'invalid']
      at = scanner.at
      if (result === FRAME_PARTIAL) break
      found.push(`${scanner.push ? 'push ' : ''}${buf.toString('latin1', 0, at)}`)
      buf = buf.subarray(at)
      at = 0
    }
  }
  return found
}

t.test('every type ends where it says, whole, byte by byte, and cut anywhere', async (t) => {
  for (const [name, text] of [...FRAMES, ['a push', PUSH] as [string, string]]) {
    const bytes = Buffer.from(`${text}+next\r\n`, 'latin1')
    const expected = [`${text === PUSH ? 'push ' : ''}${text}`, '+next\r\n']
    t.same(framesIn([bytes]), expected, `${name}, whole`)
    t.same(framesIn(Array.from(bytes, (byte) => Buffer.from([byte]))), expected, `${name}, byte by byte`)
    const wrong = Array.from({ length: bytes.length }, (_, cut) => cut).filter(
      (cut) => framesIn([bytes.subarray(0, cut), bytes.subarray(cut)]).join('|') !== expected.join('|'),
    )
    t.same(wrong, [], `${name}, cut in two`)
    t.equal(frameEnd(bytes, 0), bytes.length - '+next\r\n'.length)
    t.equal(frameEnd(bytes.subarray(0, bytes.length - '+next\r\n'.length - 1), 0), -1, 'one byte is missing')
  }
})

t.test('pushes between replies are told from them', async (t) => {
  const bytes = Buffer.from(`+a\r\n${PUSH}*1\r\n:1\r\n${PUSH}${PUSH}+b\r\n`)
  const expected = ['+a\r\n', `push ${PUSH}`, '*1\r\n:1\r\n', `push ${PUSH}`, `push ${PUSH}`, '+b\r\n']
  t.same(framesIn([bytes]), expected)
  t.same(framesIn(Array.from(bytes, (byte) => Buffer.from([byte]))), expected)
})

t.test('bytes that are no reply are invalid', async (t) => {
  for (const text of [
    'hello\r\n',
    '\r\n',
    '$x\r\n',
    '$1x\r\n',
    '*1\n',
    '+OK\rx',
    '$-\rx',
    '*1\r\nx',
    '%2x\r\n',
    '\0',
  ]) {
    const bytes = Buffer.from(text)
    t.same(framesIn([bytes]), ['invalid'], JSON.stringify(text))
    t.same(framesIn(Array.from(bytes, (byte) => Buffer.from([byte]))), ['invalid'], 'byte by byte')
  }
})

t.test('a large payload is passed over without being looked at, nested as it may be', async (t) => {
  const payload = Buffer.alloc(3 * 1024 * 1024, '\r\n$5\r\n')
  const frame = Buffer.concat([
    Buffer.from(`*3\r\n:1\r\n*1\r\n$${payload.length}\r\n`),
    payload,
    Buffer.from('\r\n+end\r\n'),
  ])
  const stream = Buffer.concat([frame, Buffer.from('+next\r\n')])
  for (const size of [1000, 65_536, stream.length]) {
    // As a link does it: what was scanned is passed on and never held.
    const scanner = new FrameScanner()
    let passed = 0
    let carry: Buffer = Buffer.alloc(0)
    let most = 0
    let ends = 0
    for (let from = 0; from < stream.length; from += size) {
      let buf: Buffer = Buffer.concat([carry, stream.subarray(from, from + size)])
      carry = Buffer.alloc(0)
      while (buf.length > 0) {
        const result = scanner.scan(buf, 0)
        if (result === FRAME_INVALID) throw new Error('invalid')
        passed += scanner.at
        buf = buf.subarray(scanner.at)
        if (result === FRAME_PARTIAL) {
          carry = buf
          break
        }
        ends = ends === 0 ? passed : ends
      }
      most = Math.max(most, carry.length)
    }
    t.equal(ends, frame.length, `in reads of ${size}`)
    t.equal(passed, stream.length)
    t.ok(most < 16, `at most ${most} bytes were held`)
  }
})

t.test('the elements of an aggregate are its direct ones', async (t) => {
  for (const [frame, elements] of [
    ['*3\r\n:1\r\n*2\r\n+a\r\n+b\r\n$-1\r\n', [':1\r\n', '*2\r\n+a\r\n+b\r\n', '$-1\r\n']],
    ['%1\r\n+a\r\n~1\r\n:1\r\n', ['+a\r\n', '~1\r\n:1\r\n']],
    ['*0\r\n', []],
    ['*-1\r\n', []],
  ] as const) {
    t.same(frameElements(Buffer.from(frame)).map(String), elements, JSON.stringify(frame))
  }
})

/** Frames of every type, nested a few levels deep. */
const anyFrame = fc.letrec<{ frame: Buffer; leaf: Buffer; tree: Buffer }>((tie) => ({
  leaf: fc.oneof(
    fc
      .constantFrom(
        '+OK',
        '-ERR no',
        ':0',
        ':-12',
        '_',
        '#t',
        ',1.5',
        ',nan',
        '(123456789012345678901',
        '$-1',
        '*-1',
      )
      .map((line) => Buffer.from(`${line}\r\n`)),
    fc
      .tuple(fc.constantFrom('$', '=', '!'), fc.uint8Array({ maxLength: 40 }))
      .map(([type, bytes]) =>
        Buffer.concat([Buffer.from(`${type}${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]),
      ),
  ),
  tree: fc
    .tuple(fc.constantFrom('*', '~', '%', '|'), fc.array(tie('frame'), { maxLength: 4 }), tie('leaf'))
    .map(([type, items, last]) => {
      const even = type === '%' || type === '|' ? items.slice(0, items.length & ~1) : items
      const count = type === '%' || type === '|' ? even.length / 2 : even.length
      return Buffer.concat([Buffer.from(`${type}${count}\r\n`), ...even, ...(type === '|' ? [last] : [])])
    }),
  frame: fc.oneof({ maxDepth: 5 }, tie('leaf'), tie('tree')),
})).frame

t.test('random replies in a row are found however they are cut', async () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      (frames, cuts) => {
        const bytes = Buffer.concat(frames)
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
        const pieces = places.slice(1).map((place, i) => bytes.subarray(places[i], place))
        const found = framesIn(pieces)
        return (
          found.join('') === frames.map((frame) => frame.toString('latin1')).join('') &&
          found.length === frames.length
        )
      },
    ),
    { numRuns: 2000 },
  )
})

t.test('a partial scan says that it is one', async (t) => {
  const scanner = new FrameScanner()
  t.equal(scanner.scan(Buffer.from('$10\r\nabc'), 0), FRAME_PARTIAL)
  t.equal(scanner.payloadLeft, 9, 'the rest of the payload and its line end')
  t.equal(scanner.scan(Buffer.from('defghij\r\n'), 0), FRAME_COMPLETE)
  t.equal(scanner.payloadLeft, 0)
})
