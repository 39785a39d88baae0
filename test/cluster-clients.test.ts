// Clients in cluster mode work through the proxy, which looks to them like a cluster of one node.

import { randomBytes } from 'node:crypto'
import { createCluster } from '@redis/client'
import { Cluster, Redis } from 'ioredis'
import { test } from 'tap'
import { startTestProxy } from './fixtures/proxy.ts'
import { rawClient } from './fixtures/raw-client.ts'

const mark = randomBytes(4).toString('hex')

test('ioredis Cluster works with its defaults, TQ commands included', async (t) => {
  const { port } = await startTestProxy(t)
  const cluster = new Cluster([{ host: '127.0.0.1', port }])
  t.teardown(() => cluster.disconnect())
  const keys = Array.from({ length: 100 }, (_, i) => `cluster-${mark}-${i}`)
  await Promise.all(keys.map((key, i) => cluster.set(key, i)))
  t.strictSame(
    await Promise.all(keys.map((key) => cluster.get(key))),
    keys.map((_, i) => String(i)),
  )
  const [status] = (await cluster.call('TQ.ENQUEUE', `cluster-${mark}`, 'ann', 't1')) as [string]
  t.equal(status, 'QUEUED')
  t.equal(await cluster.call('TQ.POS', `cluster-${mark}`, 't1'), 1)
  t.equal(cluster.nodes('master').length, 1)
})

test('node-redis cluster mode works with its defaults', async (t) => {
  const { port } = await startTestProxy(t)
  const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] })
  await cluster.connect()
  t.teardown(() => cluster.destroy())
  for (let i = 0; i < 50; i++) await cluster.set(`node-${mark}-${i}`, String(i))
  for (let i = 0; i < 50; i++) t.equal(await cluster.get(`node-${mark}-${i}`), String(i))
})

test('the subcommands of CLUSTER agree with each other', async (t) => {
  const { port } = await startTestProxy(t)
  const client = new Redis(port, '127.0.0.1', { protocol: 2 })
  t.teardown(() => client.disconnect())
  const [[from, to, [host, at, id]]] = (await client.call('CLUSTER', 'SLOTS')) as [
    number,
    number,
    [string, number, string],
  ][]
  t.strictSame([from, to, host, at], [0, 16383, '127.0.0.1', port])
  t.equal(await client.cluster('MYID'), id)
  t.equal(
    await client.cluster('NODES'),
    `${id} 127.0.0.1:${port}@${port} myself,master - 0 0 1 connected 0-16383\n`,
  )
  t.match(await client.cluster('INFO'), /^cluster_state:ok\r\n/)
  t.equal(await client.cluster('KEYSLOT', 'foo{bar}'), 5061)
  await client.set(`{${mark}}key`, 1)
  const slot = (await client.cluster('KEYSLOT', mark)) as number
  t.ok(
    ((await client.call('CLUSTER', 'GETKEYSINSLOT', String(slot), '100')) as string[]).includes(
      `{${mark}}key`,
    ),
  )
  await t.rejects(client.call('CLUSTER', 'RESET'), { message: /^NOPERM / })
})

test('INFO adds up the keyspace of all masters', async (t) => {
  const { port } = await startTestProxy(t)
  const client = await rawClient(port)
  t.teardown(() => client.destroy())
  const size = Number((await client.command('DBSIZE')).toString().slice(1))
  const text = (await client.command('INFO', 'keyspace')).toString()
  const keys = Number(/db0:keys=(\d+)/.exec(text)?.[1])
  // Other tests use the same cluster meanwhile.
  t.ok(Math.abs(keys - size) < Math.max(50, size / 5), `${keys} keys, DBSIZE ${size}`)
})
