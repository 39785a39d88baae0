// Commands over several nodes: split by slot, sent to every master, walked by one cursor.

import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import { ownCluster } from './fixtures/cluster.ts'
import { startTestProxy } from './fixtures/proxy.ts'
import { rawClient } from './fixtures/raw-client.ts'

const mark = randomBytes(4).toString('hex')

async function connect(t: Test, protocol: 2 | 3 = 2): Promise<Redis> {
  const { port } = await startTestProxy(t)
  const client = new Redis(port, '127.0.0.1', { protocol, retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  return client
}

test('MGET, MSET, DEL, UNLINK, EXISTS and TOUCH work over all slots, positions kept', async (t) => {
  const client = await connect(t)
  const keys = Array.from({ length: 200 }, (_, i) => `gather-${mark}-${i}`)
  t.equal(await client.mset(...keys.flatMap((key, i) => [key, `value ${i}`])), 'OK')
  const wanted = [...keys.slice(100), `gather-${mark}-missing`, ...keys.slice(0, 100), keys[7]]
  t.strictSame(
    await client.mget(...wanted),
    wanted.map((key) => (keys.includes(key) ? `value ${keys.indexOf(key)}` : null)),
  )
  t.equal(await client.exists(...wanted), 201)
  t.equal(await client.touch(...keys), 200)
  t.equal(await client.del(...keys.slice(0, 50), `gather-${mark}-missing`), 50)
  t.equal(await client.unlink(...keys), 150)
  t.equal(await client.exists(...keys), 0)
})

test('a MSET that does not come out even gets the error of Redis, and CROSSSLOT stays for what cannot be split', async (t) => {
  const { port } = await startTestProxy(t)
  const client = await rawClient(port)
  t.teardown(() => client.destroy())
  t.equal(
    (await client.command('MSET', 'a', '1', 'b')).toString(),
    "-ERR wrong number of arguments for 'mset' command\r\n",
  )
  for (const words of [
    ['MSETNX', 'a', '1', 'b', '2'],
    ['SINTER', 'a', 'b'],
    ['RENAME', 'a', 'b'],
  ]) {
    t.equal(
      (await client.command(...words)).toString(),
      "-CROSSSLOT Keys in request don't hash to the same slot\r\n",
    )
  }
})

test('the reply of a split command keeps its place in a pipeline, also between values of several MB', async (t) => {
  const client = await connect(t)
  const keys = Array.from({ length: 6 }, (_, i) => `gather-${mark}-large-${i}`)
  const large = 'x'.repeat(3_000_000)
  const replies = (await client
    .pipeline()
    .mset(...keys.flatMap((key, i) => [key, i % 2 === 0 ? large : 'small']))
    .mget(...keys)
    .get(keys[1])
    .exists(...keys)
    .echo('end')
    .exec())!
  t.strictSame(
    replies.map(
      ([error, reply]) => error ?? (Array.isArray(reply) ? reply.map((value) => value.length) : reply),
    ),
    ['OK', [3_000_000, 5, 3_000_000, 5, 3_000_000, 5], 'small', 6, 'end'],
  )
  await client.unlink(...keys)
})

test('SCAN walks all masters with one cursor: no key is missed, none comes twice', async (t) => {
  const client = await connect(t)
  const keys = new Set(Array.from({ length: 1000 }, (_, i) => `scan-${mark}-${i}`))
  const pipeline = client.pipeline()
  for (const key of keys) pipeline.set(key, 1)
  await pipeline.exec()
  await client.hset(`scan-${mark}-hash`, 'field', 1)
  for (const count of ['10', '1000']) {
    const found: string[] = []
    let cursor = '0'
    do {
      const page = await client.scan(cursor, 'MATCH', `scan-${mark}-*`, 'COUNT', count, 'TYPE', 'string')
      cursor = page[0]
      found.push(...page[1])
    } while (cursor !== '0')
    t.equal(found.length, 1000)
    t.strictSame(new Set(found), keys)
  }
  await t.rejects(client.call('SCAN', 'x'), { message: 'ERR invalid cursor' })
  await t.rejects(client.call('SCAN', '1023'), { message: 'ERR invalid cursor' })
  await client.unlink(...keys, `scan-${mark}-hash`)
})

test('KEYS, DBSIZE, RANDOMKEY, FLUSHALL and SCRIPT reach every master', async (t) => {
  const cluster = await ownCluster(t)
  const { port } = await startTestProxy(t, { upstream: [...cluster.addresses] })
  const client = new Redis(port, '127.0.0.1', { protocol: 2 })
  t.teardown(() => client.disconnect())
  t.equal(await client.randomkey(), null)
  const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`)
  await client.mset(...keys.flatMap((key) => [key, 'v']))
  t.strictSame((await client.keys('key-*')).sort(), keys.toSorted())
  t.equal(await client.dbsize(), 50)
  t.ok(keys.includes((await client.randomkey())!))
  const sha = (await client.script('LOAD', 'return KEYS[1]')) as string
  for (const key of keys) t.equal(await client.evalsha(sha, 1, key), key)
  t.strictSame(await client.script('EXISTS', sha, '0'.repeat(40)), [1, 0])
  t.equal(await client.script('FLUSH'), 'OK')
  t.strictSame(await client.script('EXISTS', sha), [0])
  t.equal(await client.flushall(), 'OK')
  t.equal(await client.dbsize(), 0)
})

test('a split of which a part fails says so', async (t) => {
  const cluster = await ownCluster(t, { nodeTimeoutMs: 60_000 })
  const { port } = await startTestProxy(t, {
    upstream: [...cluster.addresses],
    retryDeadlineMs: 300,
    connectTimeoutMs: 200,
  })
  const client = new Redis(port, '127.0.0.1', { protocol: 2 })
  t.teardown(() => client.disconnect())
  const keys = Array.from({ length: 30 }, (_, i) => `part-${i}`)
  await client.mset(...keys.flatMap((key) => [key, 'v']))
  await cluster.kill(0)
  await t.rejects(client.mget(...keys), { message: /^CLUSTERDOWN / })
  await t.rejects(client.del(...keys), { message: /\(only \d+ of \d+ parts of the command were executed\)$/ })
})
