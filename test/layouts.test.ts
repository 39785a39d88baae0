// The journals an event can have, and who decides which one it gets.

import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import type { Config } from '../src/config.ts'
import { startTestProxy } from './fixtures/proxy.ts'

async function connect(t: Test, settings: Partial<Config>): Promise<Redis> {
  const { port } = await startTestProxy(t, settings)
  const client = new Redis(port, '127.0.0.1', { protocol: 2 })
  t.teardown(() => client.disconnect())
  return client
}

const randomEvent = (): string => `layout-${randomBytes(6).toString('hex')}`

async function journalOf(client: Redis, event: string): Promise<unknown> {
  const config = (await client.call('TQ.CONFIG', event)) as unknown[]
  return config[config.indexOf('journal') + 1]
}

test('with the journal "user" joins also go to the stream of their user, as the gateway wrote it', async (t) => {
  const client = await connect(t, { journalDefault: 'user' })
  const event = randomEvent()
  for (const [user, token] of [
    ['ann', 't1'],
    ['ben', 't2'],
    ['ann', 't3'],
  ]) {
    await client.call('TQ.ENQUEUE', event, user, token)
  }
  const entries = await client.xrange(`stream:event:{${event}}:user:ann`, '-', '+')
  t.strictSame(
    entries.map(([id, fields]) => [...fields.slice(0, 6), fields[6], fields[7] === id.split('-')[0]]),
    ['t1', 't3'].map((token) => ['token', token, 'event_id', event, 'user_id', 'ann', 'timestamp', true]),
  )
  t.equal(await client.xlen(`stream:event:{${event}}:user:ben`), 1)
})

test('an event that was set to the journal "user" keeps it at proxies that give new events another one', async (t) => {
  const client = await connect(t, {})
  const event = randomEvent()
  t.equal(await client.call('TQ.CONFIG', event, 'journal', 'user'), 'OK')
  const other = await connect(t, { journalDefault: 'none' })
  for (const [through, token] of [
    [client, 't1'],
    [other, 't2'],
    [client, 't3'],
  ] as const) {
    t.equal(((await through.call('TQ.ENQUEUE', event, 'ann', token)) as [string])[0], 'QUEUED')
  }
  t.equal(await client.xlen(`stream:event:{${event}}:user:ann`), 3)
})

test('what a client sends behind the first join of an event with streams sees that join', async (t) => {
  const client = await connect(t, {})
  const other = await connect(t, {})
  for (let round = 0; round < 20; round++) {
    const event = randomEvent()
    await client.call('TQ.CONFIG', event, 'journal', 'user')
    // The other proxy has not heard of it, and learns it from a refusal.
    const [joined, listed, next] = await Promise.all([
      other.call('TQ.ENQUEUE', event, 'ann', 't1'),
      other.call('TQ.MESSAGES', event, 'ann'),
      other.call('TQ.ENQUEUE', event, 'ann', 't2'),
    ])
    t.match(joined, ['QUEUED', /./, 1])
    t.match(listed, [[/./, 't1', 1]])
    t.match(next, ['QUEUED', /./, 2])
  }
})

test('an event that is purged and comes back gets the journal of new events, at every proxy', async (t) => {
  const client = await connect(t, {})
  const other = await connect(t, {})
  for (const purging of [client, other]) {
    const event = randomEvent()
    await client.call('TQ.CONFIG', event, 'journal', 'user')
    await client.call('TQ.ENQUEUE', event, 'ann', 't1')
    await purging.call('TQ.PURGE', event)
    await client.call('TQ.ENQUEUE', event, 'ann', 't2')
    t.equal(await journalOf(client, event), 'event')
    t.equal(await client.xlen(`tq:{${event}}:journal`), 1)
  }
})

test('a join in the same pipeline as the PURGE before it goes to the event as it is now', async (t) => {
  const client = await connect(t, {})
  const event = randomEvent()
  const replies = await Promise.all([
    client.call('TQ.PURGE', event),
    client.call('TQ.CONFIG', event, 'journal', 'user'),
    client.call('TQ.ENQUEUE', event, 'ann', 't1'),
    client.call('TQ.POS', event, 't1'),
  ])
  t.match(replies, [[0, 0], 'OK', ['QUEUED', /./, 1], 1])
})

test('the journal can be chosen before the first entry, and not after it', async (t) => {
  const client = await connect(t, {})
  const event = randomEvent()
  await client.call('TQ.CONFIG', event, 'journal', 'none')
  await client.call('TQ.ENQUEUE', event, 'ann', 't1')
  await t.rejects(client.call('TQ.CONFIG', event, 'journal', 'event'), { message: /^BADCONF / })
  t.equal(await journalOf(client, event), 'none')
  t.equal(await client.xlen(`tq:{${event}}:journal`), 0)
})

test('a rollout gives the same share of events the journal at every proxy, and one event never mixes', async (t) => {
  const [one, two] = [await connect(t, { streamsRollout: 10 }), await connect(t, { streamsRollout: 10 })]
  const events = Array.from({ length: 400 }, randomEvent)
  let withJournal = 0
  for (const event of events) {
    await one.call('TQ.ENQUEUE', event, 'ann', 't1')
    await two.call('TQ.ENQUEUE', event, 'ann', 't2')
    const length = await one.xlen(`tq:{${event}}:journal`)
    if (length !== 0 && length !== 2) t.fail(`${event}: ${length} of 2 joins are in the journal`)
    if (length === 2) withJournal++
  }
  t.ok(withJournal > 15 && withJournal < 75, `${withJournal} of 400 have a journal`)
})

test("the gateway's FEATURE_STREAMS_QUEUE decides where the rollout is not set", async (t) => {
  const { loadConfig } = await import('../src/config.ts')
  t.equal(loadConfig({}, { FEATURE_STREAMS_QUEUE: 'false' }).streamsRollout, 0)
  t.equal(loadConfig({}, { FEATURE_STREAMS_QUEUE: 'true' }).streamsRollout, 100)
  t.equal(loadConfig({}, { FEATURE_STREAMS_QUEUE: 'false', TQ_STREAMS_ROLLOUT: '10' }).streamsRollout, 10)
  t.equal(loadConfig({}, {}).streamsRollout, null)
  t.throws(() => loadConfig({}, { FEATURE_STREAMS_QUEUE: 'perhaps' }), { message: /FEATURE_STREAMS_QUEUE/ })
  t.throws(() => loadConfig({}, { FEATURE_LUA_ATOMIC: 'false' }), { message: /FEATURE_LUA_ATOMIC/ })
})

test('TQ.EVENTS lists the events of all shards, page by page', async (t) => {
  const client = await connect(t, {})
  const mark = randomBytes(6).toString('hex')
  const events = Array.from({ length: 60 }, (_, i) => `listed-${mark}-${i}`)
  for (const event of events) await client.call('TQ.ENQUEUE', event, 'ann', 't1')
  const list = async (): Promise<string[]> => {
    const found: string[] = []
    let cursor = '0'
    do {
      const page = (await client.call(
        'TQ.EVENTS',
        'CURSOR',
        cursor,
        'MATCH',
        `listed-${mark}-*`,
        'COUNT',
        '20',
      )) as [string, string[]]
      cursor = page[0]
      found.push(...page[1])
    } while (cursor !== '0')
    return [...new Set(found)]
  }
  while ((await list()).length < events.length);
  t.strictSame((await list()).sort(), events.toSorted())
})
