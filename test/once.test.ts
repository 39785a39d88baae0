// A command whose reply was lost is sent again by the proxy and takes effect once: data-model invariant 8.

import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { test } from 'tap'
import { EVENT_KEYS } from '../src/commands/spec.ts'
import { sharedRedis } from './fixtures/cluster.ts'
import { faultSwitch } from './fixtures/fault-switch.ts'
import { startTestProxy } from './fixtures/proxy.ts'

/** Commands on an event (the event itself left out); the last one loses its reply. */
type Scenario = readonly (readonly string[])[]

const LINE: Scenario = [
  ['ENQUEUE', 'ann', 't1'],
  ['ENQUEUE', 'ben', 't2'],
  ['ENQUEUE', 'ann', 't3'],
]
const SEATS: Scenario = [
  ['STOCK', 'SEATS', 'A1', 'A2', 'A3'],
  ['STOCK', 'COUNT', '10'],
  ['STOCK', 'SECTION', 'stalls', 'COUNT', '10'],
]

/** Two people let in at once, one more waiting. */
const ADMITTED: Scenario = [...LINE, ['CONFIG', 'admit', 'manual', 'capacity', '10'], ['ADMIT', 'COUNT', '2']]
const HELD: Scenario = [...SEATS, ['HOLD', 'ann', 'SEATS', 'A1', 'A2'], ['HOLD', 'ann', 'QTY', '4']]
const SOLD: Scenario = [...HELD, ['CONFIRM', 'ann', 'SEATS', 'A1', 'A2'], ['CONFIRM', 'ann', 'QTY', '4']]

const SCENARIOS: Record<string, Scenario> = {
  ENQUEUE: [...LINE, ['ENQUEUE', 'cat', 't4']],
  'ENQUEUE with a dedupe key': [...LINE, ['ENQUEUE', 'cat', 't4', 'DEDUPE', 'k']],
  'ENQUEUE that is a duplicate': [...LINE, ['ENQUEUE', 'cat', 't2']],
  LEAVE: [...LINE, ['LEAVE', 't1']],
  DEQUEUE: [...LINE, ['DEQUEUE', 'ann']],
  'DEQUEUE of several': [...LINE, ['DEQUEUE', 'ann', 'COUNT', '5']],
  CONFIG: [...LINE, ['CONFIG', 'maxlen', '7']],
  'STOCK of seats': [...SEATS, ['STOCK', 'SEATS', 'B1']],
  'STOCK of a number': [...SEATS, ['STOCK', 'SECTION', 'stalls', 'COUNT', '20']],
  'HOLD of seats': [...SEATS, ['HOLD', 'ann', 'SEATS', 'A1', 'A2']],
  'HOLD of a number': [...SEATS, ['HOLD', 'ann', 'QTY', '3']],
  'HOLD of places in a section': [...SEATS, ['HOLD', 'ann', 'SECTION', 'stalls', 'QTY', '3']],
  'RELEASE of seats': [...SEATS, ['HOLD', 'ann', 'SEATS', 'A1', 'A2'], ['RELEASE', 'ann', 'SEATS', 'A1']],
  'RELEASE of a number': [...SEATS, ['HOLD', 'ann', 'QTY', '5'], ['RELEASE', 'ann', 'QTY', '2']],
  ADMIT: [...LINE, ['CONFIG', 'admit', 'manual', 'capacity', '2'], ['ADMIT', 'COUNT', '5']],
  'ADMIT by force': [
    ...LINE,
    ['CONFIG', 'admit', 'manual', 'capacity', '1'],
    ['ADMIT', 'COUNT', '2', 'FORCE'],
  ],
  'ADMIT with an ID': [...LINE, ['CONFIG', 'admit', 'manual', 'capacity', '2'], ['ADMIT', 'ID', 'i1']],
  'ENTER that lets people in': [...LINE, ['CONFIG', 'capacity', '2'], ['ENTER', 't2']],
  'ENTER of somebody admitted': [...ADMITTED, ['ENTER', 't1']],
  DONE: [...ADMITTED, ['ENTER', 't1'], ['DONE', 't1']],
  TOUCH: [...LINE, ['CONFIG', 'idle_ms', '60000'], ['TOUCH', 't1', 't2', 't9']],
  UNSTOCK: [...SEATS, ['UNSTOCK', 'SEATS', 'A1', 'A2']],
  'EXTEND of seats': [...HELD, ['EXTEND', 'ann', 'EX', '600', 'SEATS', 'A1']],
  'EXTEND of a number': [...HELD, ['EXTEND', 'ann', 'EX', '600', 'QTY', '4']],
  'CONFIRM of seats': [...HELD, ['CONFIRM', 'ann', 'SEATS', 'A1']],
  'CONFIRM of a number': [...HELD, ['CONFIRM', 'ann', 'QTY', '3']],
  'CANCEL of seats': [...SOLD, ['CANCEL', 'ann', 'SEATS', 'A2']],
  'CANCEL of a number': [...SOLD, ['CANCEL', 'ann', 'QTY', '2']],
  PAUSE: [...LINE, ['PAUSE', 'IN']],
  RESUME: [...LINE, ['PAUSE'], ['RESUME']],
  CLOSE: [...LINE, ['CLOSE']],
  CLEANUP: [...LINE, ['CLEANUP', 'OLDER', '0', 'LIMIT', '2']],
}

/** A reply without what differs between two runs: times, and ids made of them. */
function masked(reply: unknown): unknown {
  return JSON.parse(
    JSON.stringify(reply)
      .replace(/\b\d{13}\b/g, '0')
      .replace(/"[0-9a-f]{32}"/g, '"pass"'),
  )
}

test('a mutating command whose reply was lost gives its first result and takes effect once (invariant 8)', async (t) => {
  const relay = await faultSwitch(t, await sharedRedis())
  const proxy = await startTestProxy(t, { upstream: [relay.address] })
  const client = new Redis(proxy.port, '127.0.0.1', { protocol: 2, retryStrategy: () => null })
  t.teardown(() => client.disconnect())

  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    await t.test(name, async (t) => {
      const run = async (lose: boolean): Promise<{ replies: unknown[]; stats: unknown }> => {
        const event = `once-${randomBytes(6).toString('hex')}`
        const replies: unknown[] = []
        for (const [i, [command, ...words]] of scenario.entries()) {
          const lost = lose && i === scenario.length - 1 ? relay.loseReplyTo(event) : null
          replies.push(await client.call(`TQ.${command}`, event, ...words))
          await lost
        }
        const stats = Object.fromEntries(pairs((await client.call('TQ.STATS', event)) as string[]))
        // Durations differ by a few ms, and duplicates are counted as often as Redis saw them.
        for (const field of ['oldest_wait_ms', 'eta_ms', 'rate', 'duplicates_total']) delete stats[field]
        return { replies: masked(replies) as unknown[], stats }
      }
      const undisturbed = await run(false)
      const disturbed = await run(true)
      t.strictSame(disturbed.replies, undisturbed.replies, 'the same replies')
      t.strictSame(disturbed.stats, undisturbed.stats, 'the same effect')
    })
  }
})

test('a PURGE whose reply was lost leaves nothing behind, and TQ.EVENTS forgets the event', async (t) => {
  const relay = await faultSwitch(t, await sharedRedis())
  const proxy = await startTestProxy(t, { upstream: [relay.address] })
  const client = new Redis(proxy.port, '127.0.0.1', { protocol: 2, retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  const event = `once-${randomBytes(6).toString('hex')}`
  const listed = async (): Promise<number> => client.sismember('tq:events', event)
  await client.call('TQ.ENQUEUE', event, 'ann', 't1')
  while ((await listed()) === 0);
  const lost = relay.loseReplyTo(event)
  const [remaining] = (await client.call('TQ.PURGE', event)) as number[]
  await lost
  t.equal(remaining, 0)
  t.equal(await client.exists(...EVENT_KEYS.map((key) => `tq:{${event}}:${key}`)), 0)
  while ((await listed()) === 1);
  t.equal(await listed(), 0)
})

test('a plain write whose reply was lost is UNCERTAIN, a plain read is read again', async (t) => {
  const relay = await faultSwitch(t, await sharedRedis())
  const proxy = await startTestProxy(t, { upstream: [relay.address] })
  const client = new Redis(proxy.port, '127.0.0.1', { retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  const key = `once-${randomBytes(6).toString('hex')}`
  let lost = relay.loseReplyTo(key)
  await t.rejects(client.incr(key), { message: /^UNCERTAIN / })
  await lost
  lost = relay.loseReplyTo(key)
  t.equal(await client.get(key), '1')
  await lost
})

function pairs(flat: readonly unknown[]): [string, unknown][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [String(flat[2 * i]), flat[2 * i + 1]])
}
