// Replies and commands become the bytes that Redis would send and read, in either version of the protocol.

import fc from 'fast-check'
import t from 'tap'
import {
  encodeCommand,
  encodeReply,
  errorBytes,
  Failure,
  type Reply,
  Simple,
  Verbatim,
} from '../../src/resp/encode.ts'
import { frameEnd } from '../../src/resp/reply-frames.ts'
import { parse } from '../fixtures/raw-client.ts'

const CASES: [string, Reply, string, string][] = [
  ['a status', new Simple('OK'), '+OK\r\n', '+OK\r\n'],
  ['an error', new Failure('ERR no'), '-ERR no\r\n', '-ERR no\r\n'],
  ['a text', 'héllo', '$6\r\nhéllo\r\n', '$6\r\nhéllo\r\n'],
  ['an empty text', '', '$0\r\n\r\n', '$0\r\n\r\n'],
  ['a number', -7, ':-7\r\n', ':-7\r\n'],
  ['nil', null, '$-1\r\n', '_\r\n'],
  ['bytes', Buffer.from('\r\n'), '$2\r\n\r\n\r\n', '$2\r\n\r\n\r\n'],
  [
    'an array',
    ['a', 1, null, []],
    '*4\r\n$1\r\na\r\n:1\r\n$-1\r\n*0\r\n',
    '*4\r\n$1\r\na\r\n:1\r\n_\r\n*0\r\n',
  ],
  [
    'a map',
    new Map<string, Reply>([
      ['a', 1],
      ['b', new Map([['c', null]])],
    ]),
    '*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*2\r\n$1\r\nc\r\n$-1\r\n',
    '%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n%1\r\n$1\r\nc\r\n_\r\n',
  ],
  [
    'a set, whose words are status lines as in COMMAND',
    new Set(['fast', 1]),
    '*2\r\n+fast\r\n:1\r\n',
    '~2\r\n+fast\r\n:1\r\n',
  ],
  ['text for people', new Verbatim('# Sérver\r\n'), '$11\r\n# Sérver\r\n\r\n', '=15\r\ntxt:# Sérver\r\n\r\n'],
]

t.test('a reply is written as its version of the protocol has it', async (t) => {
  for (const [name, reply, resp2, resp3] of CASES) {
    t.equal(encodeReply(reply, 2).toString(), resp2, `${name}, RESP2`)
    t.equal(encodeReply(reply, 3).toString(), resp3, `${name}, RESP3`)
  }
})

t.test('an error stays one reply whatever is in its text', async (t) => {
  t.equal(errorBytes('ERR a\r\n+OK\nb').toString(), '-ERR a  +OK b\r\n')
})

t.test('a command is an array of bulk strings, its bytes as they are', async (t) => {
  const bytes = Buffer.from([0, 255, 13, 10])
  t.same(
    encodeCommand(['SET', 'ké', bytes]),
    Buffer.concat([Buffer.from('*3\r\n$3\r\nSET\r\n$3\r\nké\r\n$4\r\n'), bytes, Buffer.from('\r\n')]),
  )
})

const anyReply = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'grapheme' }),
    fc.integer(),
    fc.constant(null),
    fc.array(tie('reply'), { maxLength: 4 }),
    fc.array(fc.tuple(fc.string(), tie('reply')), { maxLength: 3 }).map((entries) => new Map(entries)),
  ),
})).reply

/** What a client that speaks RESP2 sees of a map. */
function flattened(reply: Reply): unknown {
  if (reply instanceof Map) return [...reply].flatMap(([name, value]) => [name, flattened(value)])
  return Array.isArray(reply) ? reply.map(flattened) : reply
}

t.test('whatever is written is one frame and reads as what was meant', async () => {
  fc.assert(
    fc.property(anyReply, (reply) => {
      for (const protocol of [2, 3] as const) {
        const bytes = encodeReply(reply, protocol)
        if (frameEnd(bytes, 0) !== bytes.length) return false
        const found = parse(bytes)
        const wanted = protocol === 3 ? reply : flattened(reply)
        if (JSON.stringify(found, plain) !== JSON.stringify(wanted, plain)) return false
      }
      return true
    }),
    { numRuns: 500 },
  )
})

function plain(_name: string, value: unknown): unknown {
  return value instanceof Map ? { map: [...value] } : value
}
