// All clients share one connection to a node; only what is very large gets one of its own.

import t from 'tap'
import { ownRedis, randomName, waitFor } from '../fixtures/cluster.ts'
import { startTestProxy } from '../fixtures/proxy.ts'
import { encode, rawClient } from '../fixtures/raw-client.ts'

t.test('connections to a node', async (t) => {
  const redis = await ownRedis(t)
  const proxy = await startTestProxy(t, { upstream: [redis.address] })
  const direct = await rawClient(redis.port)
  t.teardown(direct.destroy)

  /** Connections of ours that the node has accepted so far, and has now. */
  const received = async (): Promise<number> =>
    Number(/total_connections_received:(\d+)/.exec(String(await direct.call('INFO', 'stats')))![1])
  const open = async (): Promise<number> =>
    String(await direct.call('CLIENT', 'LIST'))
      .split('\n')
      .filter((line) => / name=tq-proxy( |$)/.test(line)).length

  t.test('there is one for each version of the protocol, however many clients', async (t) => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(proxy.port)))
    for (const client of clients) t.teardown(client.destroy)
    await Promise.all(clients.map((client) => client.call('SET', randomName(), 1)))
    t.equal(await open(), 1)
    await Promise.all(clients.slice(10).map((client) => client.call('HELLO', 3)))
    await Promise.all(clients.map((client) => client.call('SET', randomName(), 1)))
    t.equal(await open(), 2)
  })

  t.test('values that come in several reads go over the shared one', async (t) => {
    const client = await rawClient(proxy.port)
    t.teardown(client.destroy)
    await client.call('PING')
    const before = await received()
    const key = randomName()
    const replies = client.replies(100)
    for (let i = 0; i < 100; i++)
      client.send(encode('SET', `${key}${i}`, Buffer.alloc(100_000, `${i}.`))).catch(() => {})
    t.ok((await replies).every((frame) => String(frame) === '+OK\r\n'))
    t.equal(await received(), before, 'no connection was made')
  })

  t.test('those of more than a megabyte get one of their own, which ends with the reply', async (t) => {
    const client = await rawClient(proxy.port)
    t.teardown(client.destroy)
    const before = await received()
    const key = randomName()
    const value = Buffer.alloc(1024 * 1024, 'v')
    for (let i = 0; i < 3; i++) t.equal(await client.call('SET', key, value), 'OK')
    t.equal(await received(), before + 3)
    t.ok(await waitFor('them to be closed', async () => (await open()) === 2))
  })

  t.test('none is left when the proxy has stopped', async (t) => {
    await proxy.stop()
    t.ok(await waitFor('all to be closed', async () => (await open()) === 0))
  })
})
