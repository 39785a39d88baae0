// Commands that wait: they have a connection of their own, and nobody else waits with them.

import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import { sharedCluster } from './fixtures/cluster.ts'
import { startTestProxy } from './fixtures/proxy.ts'
import { rawClient } from './fixtures/raw-client.ts'

const mark = randomBytes(4).toString('hex')

async function connect(t: Test, port: number): Promise<Redis> {
  const client = new Redis(port, '127.0.0.1', { protocol: 2 })
  t.teardown(() => client.disconnect())
  return client
}

/** How many clients are blocked on a list, at all nodes. */
async function blockedAtNodes(): Promise<number> {
  let total = 0
  for (const address of await sharedCluster()) {
    const [host, port] = address.split(':')
    const node = new Redis({ host, port: Number(port) })
    total += Number(/blocked_clients:(\d+)/.exec(await node.info('clients'))![1])
    node.disconnect()
  }
  return total
}

test('BLPOP waits for its element while other clients go on', async (t) => {
  const { port } = await startTestProxy(t)
  const [waiting, other] = [await connect(t, port), await connect(t, port)]
  const key = `block-${mark}-1`
  const popped = waiting.blpop(key, 0)
  for (let i = 0; i < 100; i++) t.equal(await other.echo(String(i)), String(i))
  await other.rpush(key, 'element')
  t.strictSame(await popped, [key, 'element'])
})

test('commands behind a blocked one wait for it, and all replies keep their order', async (t) => {
  const { port } = await startTestProxy(t)
  const other = await connect(t, port)
  const client = await rawClient(port)
  t.teardown(() => client.destroy())
  const key = `block-${mark}-2`
  client.send(`SET ${key}-x 1\r\nBLPOP ${key} 0\r\nGET ${key}-x\r\nPING\r\n`)
  const replies = client.replies(4)
  while ((await other.get(`${key}-x`)) !== '1');
  await other.set(`${key}-x`, '2')
  await other.rpush(key, 'e')
  t.equal(
    Buffer.concat(await replies).toString(),
    `+OK\r\n*2\r\n$${key.length}\r\n${key}\r\n$1\r\ne\r\n$1\r\n2\r\n+PONG\r\n`,
  )
})

test('a time-out is nil, in both protocols', async (t) => {
  const { port } = await startTestProxy(t)
  const client = await rawClient(port)
  t.teardown(() => client.destroy())
  t.equal((await client.command('BLPOP', `block-${mark}-3`, '0.05')).toString(), '*-1\r\n')
  await client.command('HELLO', '3')
  t.equal((await client.command('BLPOP', `block-${mark}-3`, '0.05')).toString(), '_\r\n')
})

test('a client that leaves while blocked takes no element with it', async (t) => {
  const { port } = await startTestProxy(t)
  const other = await connect(t, port)
  const key = `block-${mark}-4`
  const before = await blockedAtNodes()
  const client = await rawClient(port)
  client.send(`BLPOP ${key} 0\r\n`)
  while ((await blockedAtNodes()) <= before);
  client.destroy()
  while ((await blockedAtNodes()) > before);
  await other.rpush(key, 'element')
  t.equal(await other.llen(key), 1)
  await other.del(key)
})

test('XREAD BLOCK, XREADGROUP BLOCK, BZPOPMIN, BLMOVE and BRPOPLPUSH wait as well', async (t) => {
  const { port } = await startTestProxy(t)
  const other = await connect(t, port)
  const stream = `block-${mark}-stream`
  const zset = `block-${mark}-zset`
  const from = `{block-${mark}}from`
  const to = `{block-${mark}}to`
  await other.xgroup('CREATE', stream, 'group', '$', 'MKSTREAM')
  const cases: [readonly string[], () => Promise<unknown>][] = [
    [['XREAD', 'BLOCK', '0', 'STREAMS', stream, '$'], () => other.xadd(stream, '*', 'f', 'v')],
    [
      ['XREADGROUP', 'GROUP', 'group', 'me', 'BLOCK', '0', 'STREAMS', stream, '>'],
      () => other.xadd(stream, '*', 'f', 'v'),
    ],
    [['BZPOPMIN', zset, '0'], () => other.zadd(zset, '1', 'm')],
    [['BLMOVE', from, to, 'LEFT', 'RIGHT', '0'], () => other.rpush(from, 'e')],
    [['BRPOPLPUSH', from, to, '0'], () => other.rpush(from, 'e')],
  ]
  for (const [words, feed] of cases) {
    const client = await connect(t, port)
    const before = await blockedAtNodes()
    if (words[0] === 'XREADGROUP')
      await client.call('XREADGROUP', 'GROUP', 'group', 'me', 'STREAMS', stream, '>')
    const reply = client.call(words[0], ...words.slice(1))
    while ((await blockedAtNodes()) <= before);
    await feed()
    t.ok(await reply, words.join(' '))
  }
})
