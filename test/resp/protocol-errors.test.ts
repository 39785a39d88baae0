// Bad bytes and odd lines get from the proxy exactly what a real Redis answers.

import t from 'tap'
import { sharedRedis } from '../fixtures/cluster.ts'
import { startTestProxy } from '../fixtures/proxy.ts'
import { encode, rawClient } from '../fixtures/raw-client.ts'

/** All that a server says to `bytes` until it closes. */
async function conversation(port: number, bytes: Buffer): Promise<string> {
  const client = await rawClient(port)
  client.send(bytes).catch(() => {})
  await client.closed
  return client.unread().toString('latin1')
}

async function redisPort(): Promise<number> {
  return Number((await sharedRedis()).split(':')[1])
}

t.test(
  'what came before bad bytes is answered, then comes the error in the words of Redis, then the end',
  async (t) => {
    const proxy = await startTestProxy(t)
    const redis = await redisPort()
    const before = '*1\r\n$4\r\nPING\r\nECHO hi\r\n'
    for (const bad of [
      '*x\r\n',
      '*\r\n',
      '*01\r\n',
      '*+1\r\n',
      '*-\r\n',
      '*-0\r\n',
      '*1.5\r\n',
      '*2147483648\r\n',
      '*99999999999999999999999\r\n',
      '*-99999999999999999999999\r\n',
      '*1\r\n$-1\r\n',
      '*1\r\n$-7\r\n',
      '*1\r\n$\r\n',
      '*1\r\n$x\r\n',
      '*1\r\n$04\r\nPING\r\n',
      '*1\r\n$536870913\r\n',
      '*1\r\n$99999999999999999999999\r\n',
      '*1\r\n:1\r\n',
      '*1\r\nPING\r\n',
      '*1\r\n*1\r\n',
      '*1\r\n \r\n',
      '*1\r\n\r\n\r\n',
      '*2\r\n$4\r\nPING\r\n+x\r\n',
      '"\r\n',
      'ECHO "a\r\n',
      "ECHO 'a\r\n",
      'ECHO "a"b\r\n',
      'x'.repeat(65_537),
    ]) {
      const bytes = Buffer.from(before + bad, 'latin1')
      const expected = await conversation(redis, bytes)
      t.match(expected, /^\+PONG\r\n\$2\r\nhi\r\n-ERR Protocol error: .*\r\n$/)
      t.equal(await conversation(proxy.port, bytes), expected, JSON.stringify(bad.slice(0, 40)))
    }
    t.equal(proxy.log.filter((line) => line.message === 'protocol error').length, 28, 'each is logged')
  },
)

t.test('a web browser is shut out without a word', async (t) => {
  const proxy = await startTestProxy(t)
  for (const line of ['POST / HTTP/1.1\r\n', 'Host: localhost:6380\r\n']) {
    for (const port of [await redisPort(), proxy.port]) {
      t.equal(await conversation(port, Buffer.from(`${line}SET injected 1\r\n`)), '')
    }
  }
})

t.test('lines are split into words as Redis splits them', async (t) => {
  const proxy = await startTestProxy(t)
  const redis = await redisPort()
  // No NUL, at which Redis stops to look, and no line feed, which is the end.
  const pieces = [
    '"',
    "'",
    '\\',
    ' ',
    '\t',
    '\r',
    '\v',
    '\f',
    'x',
    'a',
    '4',
    'F',
    '\\x41',
    '\\n',
    '\xff',
    'b"c" ',
    '""',
    "''",
  ]
  let seed = 20_260_801
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
    return (seed >> 8) % below
  }
  let connections: Awaited<ReturnType<typeof rawClient>>[] = []
  const differences: string[] = []
  for (let run = 0; run < 1500 && differences.length < 5; run++) {
    if (connections.length === 0) connections = await Promise.all([rawClient(redis), rawClient(proxy.port)])
    const line = Array.from({ length: 1 + random(8) }, () => pieces[random(pieces.length)]).join('')
    const bytes = Buffer.from(`EVAL "return ARGV" 0 ${line}\n`, 'latin1')
    const [expected, found] = await Promise.all(
      connections.map((client) => {
        client.send(bytes).catch(() => {})
        return client.replies(1)
      }),
    )
    if (!found![0]!.equals(expected![0]!)) {
      differences.push(
        `${JSON.stringify(line)}: ${found![0]!.toString('latin1')} for ${expected![0]!.toString('latin1')}`,
      )
    }
    if (expected![0]![0] === 45) {
      await Promise.all(connections.map((client) => client.closed))
      connections = []
    }
  }
  for (const client of connections) client.destroy()
  t.same(differences, [])
})

t.test('a password is asked for before anything large is read', async (t) => {
  const proxy = await startTestProxy(t, { requirepass: 'sesame' })
  const eleven = encode('SET', ...Array(10).fill('x'))
  t.equal(await conversation(proxy.port, eleven), '-ERR Protocol error: unauthenticated multibulk length\r\n')
  t.equal(
    await conversation(proxy.port, encode('ECHO', 'x'.repeat(16_385))),
    '-ERR Protocol error: unauthenticated bulk length\r\n',
  )
  const client = await rawClient(proxy.port)
  t.teardown(client.destroy)
  await client.send(Buffer.concat([encode('AUTH', 'sesame'), encode('ECHO', 'x'.repeat(16_385))]))
  const [ok, echo] = await client.replies(2)
  t.equal(String(ok), '+OK\r\n')
  t.equal(echo!.length, 16_385 + '$16385\r\n\r\n'.length)
})
