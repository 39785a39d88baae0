// Nodes forget scripts, and TQ commands go on as if nothing had happened.

import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { ownCluster, randomName } from '../fixtures/cluster.ts'
import { startTestProxy } from '../fixtures/proxy.ts'
import { encode, parse, rawClient, type Value } from '../fixtures/raw-client.ts'

t.test('scripts that were flushed', async (t) => {
  const cluster = await ownCluster(t)
  const nodes = cluster.nodes.map(({ port }) => new Redis(port, '127.0.0.1'))
  t.teardown(() => {
    for (const node of nodes) node.disconnect()
  })
  const flush = (): Promise<unknown> => Promise.all(nodes.map((node) => node.script('FLUSH')))
  const connect = async (t: Test, settings: Parameters<typeof startTestProxy>[1] = {}) => {
    const proxy = await startTestProxy(t, { upstream: [...cluster.addresses], ...settings })
    const client = await rawClient(proxy.port)
    t.teardown(client.destroy)
    return client
  }
  const errors = (values: Value[]): Value[] => values.filter((value) => value instanceof Error).slice(0, 3)

  t.test('are loaded again by the command that needs them', async (t) => {
    const client = await connect(t)
    const event = randomName()
    t.notMatch(await client.call('TQ.ENQUEUE', event, 'user-1', 'token-1'), Error)
    await flush()
    t.notMatch(await client.call('TQ.ENQUEUE', event, 'user-2', 'token-2'), Error)
    await flush()
    const first = await client.call('TQ.POS', event, 'token-1')
    t.notMatch(first, Error)
    t.same(await client.call('TQ.POS', event, 'token-1'), first)
  })

  t.test('cost no command of a pipeline, nor its place', async (t) => {
    for (const protocol of [2, 3]) {
      const client = await connect(t)
      await client.call('HELLO', protocol)
      const event = randomName()
      await client.call('TQ.ENQUEUE', event, 'user-0', 'token-0')
      await flush()
      const count = 300
      const replies = client.replies(count * 2)
      await client.send(
        Buffer.concat(
          Array.from({ length: count }, (_, i) => [
            encode('TQ.ENQUEUE', event, `user-${i + 1}`, `token-${i + 1}`),
            encode('PING', i),
          ]).flat(),
        ),
      )
      const values = (await replies).map(parse)
      t.same(errors(values), [])
      t.same(
        values.filter((_, i) => i % 2 === 1),
        Array.from({ length: count }, (_, i) => String(i)),
      )
      const places = await Promise.all([1, 2, count].map((i) => client.call('TQ.POS', event, `token-${i}`)))
      t.same(errors(places), [])
      t.not(JSON.stringify(places[0]), JSON.stringify(places[1]), 'each has a place of its own')
    }
  })

  t.test('are no matter of deadlines, nor of how many wait', async (t) => {
    const client = await connect(t, { retryDeadlineMs: 0, maxRetrying: 0 })
    const event = randomName()
    t.notMatch(await client.call('TQ.ENQUEUE', event, 'user-1', 'token-1'), Error)
    await flush()
    const values = await Promise.all(
      Array.from({ length: 50 }, (_, i) => client.call('TQ.ENQUEUE', event, `u${i}`, `t${i}`)),
    )
    t.same(errors(values), [])
  })
})
