// An event goes on while its slot is open for migration, before, while and after its keys move.

import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import { EVENT_KEYS } from '../../src/commands/spec.ts'
import type { RedisCluster } from '../../src/dev/redis-cluster.ts'
import { keySlot } from '../../src/routing/slots.ts'
import { ownCluster } from '../fixtures/cluster.ts'
import { startTestProxy } from '../fixtures/proxy.ts'

interface OpenSlot {
  source: Redis
  target: Redis
  targetPort: number
  /** Moves keys from the source to the target. */
  move(keys: readonly string[]): Promise<unknown>
  /** Ends the migration: the slot belongs to the target. */
  close(): Promise<void>
}

/** Opens the slot of `event` for migration from its master to another one. */
async function openSlot(t: Test, cluster: RedisCluster, event: string): Promise<OpenSlot> {
  const slot = keySlot(Buffer.from(event))
  const nodes = cluster.nodes.map(({ port }) => new Redis(port, '127.0.0.1'))
  t.teardown(() => {
    for (const node of nodes) node.disconnect()
  })
  const ids = await Promise.all(nodes.map((node) => node.cluster('MYID') as Promise<string>))
  const slots = await nodes[0].cluster('SLOTS')
  const owner = slots.find(([from, to]) => from <= slot && slot <= to)![2]
  const from = cluster.nodes.findIndex(({ port }) => port === owner[1])
  const to = (from + 1) % nodes.length
  await nodes[to].call('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', ids[from])
  await nodes[from].call('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', ids[to])
  const targetPort = cluster.nodes[to].port
  return {
    source: nodes[from],
    target: nodes[to],
    targetPort,
    move: (keys) =>
      nodes[from].call('MIGRATE', '127.0.0.1', String(targetPort), '', '0', '5000', 'KEYS', ...keys),
    async close() {
      for (const node of [nodes[to], nodes[from], ...nodes]) {
        await node.call('CLUSTER', 'SETSLOT', String(slot), 'NODE', ids[to])
      }
    },
  }
}

test('people join, poll and hold while the slot of their event is open, also when the event is new', async (t) => {
  const cluster = await ownCluster(t)
  const proxy = await startTestProxy(t, { upstream: [...cluster.addresses] })
  const client = new Redis(proxy.port, '127.0.0.1', { protocol: 2, retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  const event = `moving-${randomBytes(4).toString('hex')}`
  // Another event of the same slot: event ids may not have braces, so one is looked for.
  let fresh = ''
  for (let i = 0; fresh === ''; i++) {
    if (keySlot(Buffer.from(`fresh-${i}`)) === keySlot(Buffer.from(event))) fresh = `fresh-${i}`
  }

  let joined = 0
  const visit = async (name: string, t: Test): Promise<void> => {
    const token = `token-${joined++}`
    const [status, , position] = (await client.call('TQ.ENQUEUE', name, `user-${joined % 5}`, token)) as [
      string,
      string,
      number,
    ]
    t.equal(status, 'QUEUED')
    t.equal(await client.call('TQ.POS', name, token), position)
    const state = (await client.call('TQ.STATUS', name, token)) as string[]
    t.equal(state[state.indexOf('state') + 1], 'waiting')
    const seat = `S${joined}`
    t.strictSame(
      await client.call('TQ.STOCK', name, 'SEATS', seat).then((reply) => (reply as string[])[0]),
      'STOCKED',
    )
    t.equal(((await client.call('TQ.HOLD', name, 'ann', 'SEATS', seat)) as string[])[0], 'HELD')
    t.equal(((await client.call('TQ.HOLD', name, 'ben', 'SEATS', seat)) as string[])[0], 'SEAT_UNAVAILABLE')
  }

  await visit(event, t)
  const slot = await openSlot(t, cluster, event)
  await t.test('the keys are all at the source', async (t) => {
    for (let i = 0; i < 5; i++) await visit(event, t)
  })
  await t.test('an event whose first join comes now', async (t) => {
    for (let i = 0; i < 5; i++) await visit(fresh, t)
  })
  await t.test('the keys have all moved to the target', async (t) => {
    await slot.move(EVENT_KEYS.map((key) => `tq:{${event}}:${key}`))
    for (let i = 0; i < 5; i++) await visit(event, t)
  })
  await t.test('the slot belongs to the target', async (t) => {
    await slot.close()
    for (let i = 0; i < 5; i++) await visit(event, t)
    for (let i = 0; i < 5; i++) await visit(fresh, t)
  })
  t.equal(
    ((await client.call('TQ.PEEK', event, 'COUNT', '500')) as unknown[]).length,
    16,
    'nobody was lost or doubled',
  )
  t.equal(((await client.call('TQ.PEEK', fresh, 'COUNT', '500')) as unknown[]).length, 10)
})

test('while the keys of an event are split between the nodes, its commands wait for the rest', async (t) => {
  const cluster = await ownCluster(t)
  const proxy = await startTestProxy(t, { upstream: [...cluster.addresses], retryDeadlineMs: 10_000 })
  const client = new Redis(proxy.port, '127.0.0.1', { protocol: 2, retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  const event = `split-${randomBytes(4).toString('hex')}`
  await client.call('TQ.ENQUEUE', event, 'ann', 'first')
  const slot = await openSlot(t, cluster, event)
  const keys = EVENT_KEYS.map((key) => `tq:{${event}}:${key}`)
  await slot.move(keys.slice(0, 7))
  let answered = false
  const join = client.call('TQ.ENQUEUE', event, 'ben', 'second').then((reply) => {
    answered = true
    return reply as [string, string, number]
  })
  t.equal(await slot.source.exists(keys[8]), 1, 'the rest is still at the source')
  t.notOk(answered)
  await slot.move(keys.slice(7))
  const [status, , position] = await join
  t.equal(status, 'QUEUED')
  t.equal(position, 2)
  await slot.close()
  t.equal(await client.call('TQ.POS', event, 'second'), 2)
})
