// MOVED and ASK are read whatever kind of host they name.

import t from 'tap'
import { parseRedirection } from '../../src/routing/redirection.ts'

t.test('addresses, names, IPv6 and no host at all are understood', async (t) => {
  for (const [text, kind, slot, host, port] of [
    ['MOVED 3999 127.0.0.1:6381', 'MOVED', 3999, '127.0.0.1', 6381],
    ['ASK 0 10.0.0.7:7000', 'ASK', 0, '10.0.0.7', 7000],
    ['MOVED 16383 redis-3.example.com:6379', 'MOVED', 16383, 'redis-3.example.com', 6379],
    ['MOVED 5 redis_node-0:65535', 'MOVED', 5, 'redis_node-0', 65535],
    ['MOVED 5 2001:db8::1:6379', 'MOVED', 5, '2001:db8::1', 6379],
    ['ASK 5 [2001:db8::1]:6379', 'ASK', 5, '2001:db8::1', 6379],
    ['MOVED 5 ::1:6379', 'MOVED', 5, '::1', 6379],
    ['MOVED 5 :6379', 'MOVED', 5, '', 6379],
  ] as const) {
    t.same(parseRedirection(text), { kind, slot, host, port }, text)
  }
})

t.test('anything else is no redirection', async (t) => {
  for (const text of [
    '',
    'MOVED',
    'MOVED 3999',
    'MOVED 3999 127.0.0.1',
    'MOVED x 127.0.0.1:6381',
    'MOVED 3999 127.0.0.1:x',
    'MOVED 3999 a b:1',
    'moved 3999 127.0.0.1:6381',
    'ERR MOVED 3999 127.0.0.1:6381',
    'MOVED 3999 127.0.0.1:6381 more',
    'ASKING 3999 127.0.0.1:6381',
  ]) {
    t.equal(parseRedirection(text), null, text)
  }
})
