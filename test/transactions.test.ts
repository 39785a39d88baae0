// MULTI, EXEC, DISCARD, WATCH and UNWATCH, byte for byte as a plain Redis answers them.

import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import { ownCluster, sharedRedis } from './fixtures/cluster.ts'
import { faultSwitch } from './fixtures/fault-switch.ts'
import { startTestProxy } from './fixtures/proxy.ts'
import { type RawClient, rawClient } from './fixtures/raw-client.ts'

const mark = randomBytes(4).toString('hex')
/** A key of the one slot that these tests use. */
const k = (name: string): string => `{tx-${mark}}${name}`

async function both(t: Test): Promise<{ proxy: RawClient; plain: RawClient; port: number }> {
  const { port } = await startTestProxy(t)
  const proxy = await rawClient(port)
  const plain = await rawClient(Number((await sharedRedis()).split(':')[1]))
  t.teardown(() => {
    proxy.destroy()
    plain.destroy()
  })
  return { proxy, plain, port }
}

const SESSIONS: Record<string, readonly (readonly string[])[]> = {
  'a transaction': [['MULTI'], ['SET', k('a'), '1'], ['INCR', k('a')], ['GET', k('a')], ['PING'], ['EXEC']],
  'an empty transaction': [['MULTI'], ['EXEC']],
  'errors at the time of execution': [
    ['SET', k('s'), 'x'],
    ['MULTI'],
    ['INCR', k('s')],
    ['SET', k('s'), 'y'],
    ['EXEC'],
    ['GET', k('s')],
  ],
  'errors at the time of queueing': [['MULTI'], ['GET'], ['SET', k('q'), '1'], ['EXEC'], ['GET', k('q')]],
  'an unknown command': [['MULTI'], ['NONSENSE', 'a', 'b'], ['EXEC']],
  'a discarded transaction': [['MULTI'], ['SET', k('d'), '1'], ['DISCARD'], ['GET', k('d')], ['EXEC']],
  nesting: [['MULTI'], ['MULTI'], ['SET', k('n'), '1'], ['EXEC']],
  'verbs without MULTI': [['EXEC'], ['DISCARD'], ['UNWATCH']],
  'wrong numbers of arguments': [['MULTI', 'x'], ['EXEC', 'x'], ['WATCH']],
  'WATCH inside MULTI': [['MULTI'], ['WATCH', k('w')], ['SET', k('w'), '1'], ['EXEC']],
  'a watched key that stays': [
    ['SET', k('w'), '1'],
    ['WATCH', k('w')],
    ['GET', k('w')],
    ['MULTI'],
    ['INCR', k('w')],
    ['EXEC'],
  ],
  'a watched key that this client changes': [
    ['WATCH', k('v')],
    ['SET', k('v'), '5'],
    ['MULTI'],
    ['INCR', k('v')],
    ['EXEC'],
  ],
  UNWATCH: [['WATCH', k('u')], ['SET', k('u'), '5'], ['UNWATCH'], ['MULTI'], ['INCR', k('u')], ['EXEC']],
  'UNWATCH inside MULTI': [['MULTI'], ['UNWATCH'], ['SET', k('u'), '6'], ['EXEC']],
  'blocking commands do not block inside': [['MULTI'], ['BLPOP', k('none'), '0'], ['EXEC']],
  'binary values and several types': [
    ['MULTI'],
    ['HSET', k('h'), 'f', '\r\n$5\r\n'],
    ['HGETALL', k('h')],
    ['ZADD', k('z'), '1.5', 'm'],
    ['ZRANGE', k('z'), '0', '-1', 'WITHSCORES'],
    ['EXEC'],
  ],
  'RESET ends it': [['MULTI'], ['SET', k('r'), '1'], ['RESET'], ['GET', k('r')], ['EXEC']],
}

for (const protocol of ['2', '3']) {
  for (const [name, commands] of Object.entries(SESSIONS)) {
    test(`${name} (RESP${protocol})`, async (t) => {
      const { proxy, plain } = await both(t)
      for (const client of [proxy, plain]) {
        await client.command(
          'DEL',
          ...new Set(commands.flatMap((words) => words.filter((word) => word.startsWith('{')))),
          k('x'),
        )
        await client.command('HELLO', protocol)
      }
      for (const words of commands) {
        const expected = await plain.command(...words)
        t.equal(
          (await proxy.command(...words)).toString('latin1'),
          expected.toString('latin1'),
          words.join(' '),
        )
      }
    })
  }
}

test('a pipelined transaction is answered in order, and nobody comes between its commands', async (t) => {
  const { port } = await startTestProxy(t)
  const clients = Array.from({ length: 20 }, () => new Redis(port, '127.0.0.1', { protocol: 2 }))
  t.teardown(() => {
    for (const client of clients) client.disconnect()
  })
  const key = k('counter')
  await Promise.all(
    clients.map(async (client) => {
      for (let i = 0; i < 50; i++) {
        const replies = (await client.multi().incr(key).incr(key).incr(key).exec())!
        const [first, second, third] = replies.map(([, value]) => Number(value))
        if (second !== first + 1 || third !== first + 2) t.fail(`${first} ${second} ${third}`)
      }
    }),
  )
  t.equal(await clients[0].get(key), '3000')
})

test('a transaction over two slots is CROSSSLOT and does nothing', async (t) => {
  const { proxy } = await both(t)
  t.equal((await proxy.command('MULTI')).toString(), '+OK\r\n')
  t.equal((await proxy.command('SET', k('a'), 'kept')).toString(), '+QUEUED\r\n')
  t.match((await proxy.command('SET', `elsewhere-${mark}`, '1')).toString(), /^-CROSSSLOT /)
  t.match((await proxy.command('EXEC')).toString(), /^-EXECABORT /)
  t.equal((await proxy.command('EXISTS', `elsewhere-${mark}`)).toString(), ':0\r\n')
})

test('EXEC is nil when somebody else changed a watched key', async (t) => {
  const { proxy, port } = await both(t)
  const other = await rawClient(port)
  t.teardown(() => other.destroy())
  await proxy.command('SET', k('race'), '1')
  t.equal((await proxy.command('WATCH', k('race'))).toString(), '+OK\r\n')
  await other.command('SET', k('race'), '2')
  await proxy.command('MULTI')
  await proxy.command('SET', k('race'), '3')
  t.equal((await proxy.command('EXEC')).toString(), '*-1\r\n')
  t.equal((await proxy.command('GET', k('race'))).toString(), '$1\r\n2\r\n')
})

test('TQ commands work inside MULTI, also after SCRIPT FLUSH', async (t) => {
  const cluster = await ownCluster(t)
  const { port } = await startTestProxy(t, { upstream: [...cluster.addresses] })
  const client = new Redis(port, '127.0.0.1', { protocol: 2 })
  t.teardown(() => client.disconnect())
  const event = `tx-${mark}`
  await client.script('FLUSH')
  const replies = (await client
    .multi()
    .call('TQ.ENQUEUE', event, 'ann', 't1')
    .call('TQ.ENQUEUE', event, 'ben', 't2')
    .call('TQ.POS', event, 't2')
    .call('TQ.ENQUEUE', event, 'ben', '')
    .exec()
    .catch((error: Error) => error.message)) as unknown
  t.match(replies, /EXECABORT/, 'a wrong argument is known at once')
  const again = (await client
    .multi()
    .call('TQ.ENQUEUE', event, 'ann', 't1')
    .set(`{${event}}order`, 'x')
    .call('TQ.LEAVE', event, 't1')
    .exec())!
  t.strictSame(
    again.map(([, reply]) => (Array.isArray(reply) ? reply[0] : reply)),
    ['QUEUED', 'OK', 1],
  )
})

test('an EXEC whose reply was lost is UNCERTAIN and not sent again', async (t) => {
  const relay = await faultSwitch(t, await sharedRedis())
  const { port } = await startTestProxy(t, { upstream: [relay.address] })
  const client = new Redis(port, '127.0.0.1', { protocol: 2 })
  t.teardown(() => client.disconnect())
  const lost = relay.loseReplyTo(k('once'))
  await t.rejects(client.multi().incr(k('once')).exec(), { message: /^UNCERTAIN / })
  await lost
  t.equal(await client.get(k('once')), '1')
})
