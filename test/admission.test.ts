// Admission as pollers see it: at the pace that is set, strictly in line order, whoever asks.

import { randomBytes, randomInt } from 'node:crypto'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import { startTestProxy } from './fixtures/proxy.ts'

const RATE = 1000
/** Half a second of the rate: a busy machine may keep all pollers from asking for a while. */
const BURST = 500
const SECONDS = 60
const POLLERS = 20

async function connect(t: Test, port: number): Promise<Redis> {
  const client = new Redis(port, '127.0.0.1', { protocol: 2, retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  return client
}

/** Journal entries of one type: the time Redis gave them, and their fields. */
async function journal(client: Redis, event: string, type: string): Promise<{ ms: number; token: string }[]> {
  const found: { ms: number; token: string }[] = []
  let from = '-'
  for (;;) {
    const page = await client.xrange(`tq:{${event}}:journal`, from, '+', 'COUNT', 10_000)
    for (const [id, fields] of page) {
      if (fields[fields.indexOf('type') + 1] !== type) continue
      found.push({ ms: Number(id.split('-')[0]), token: fields[fields.indexOf('token') + 1] })
    }
    if (page.length === 0) return found
    from = `(${page[page.length - 1][0]}`
  }
}

/** The largest surplus over `rate·t` that any window of the admissions has; a bucket allows `burst`. */
function largestBurst(times: readonly number[], rate: number): number {
  let largest = 0
  let lowest = Number.POSITIVE_INFINITY
  for (const [i, ms] of times.entries()) {
    lowest = Math.min(lowest, i - (rate * ms) / 1000)
    largest = Math.max(largest, i + 1 - (rate * ms) / 1000 - lowest)
  }
  return largest
}

test(`at ${RATE} a second with ${POLLERS} pollers for ${SECONDS} s, no window lets in more than burst + rate·t`, async (t) => {
  const { port } = await startTestProxy(t)
  const event = `pace-${randomBytes(6).toString('hex')}`
  const setup = await connect(t, port)
  await setup.call('TQ.CONFIG', event, 'admit', 'manual', 'burst', String(BURST), 'rate', String(RATE))
  const people = RATE * (SECONDS + 5)
  for (let from = 0; from < people; from += 5000) {
    const pipeline = setup.pipeline()
    for (let i = from; i < from + 5000; i++)
      pipeline.call('TQ.ENQUEUE', event, `user-${i % 5000}`, `token-${i}`)
    for (const [error] of (await pipeline.exec())!) if (error !== null) throw error
  }
  await setup.call('TQ.CONFIG', event, 'admit', 'auto')
  const until = Date.now() + SECONDS * 1000
  const seen = { ADMITTED: 0, WAITING: 0 }
  let polls = 0
  await Promise.all(
    Array.from({ length: POLLERS }, async () => {
      const client = await connect(t, port)
      while (Date.now() < until) {
        const token = `token-${randomInt(people)}`
        const [status] = (await client.call('TQ.ENTER', event, token)) as [keyof typeof seen]
        seen[status]++
        for (let i = 0; i < 4; i++) {
          await client.call('TQ.STATUS', event, `token-${randomInt(people)}`)
          polls++
        }
      }
    }),
  )
  const admitted = await journal(setup, event, 'admitted')
  t.ok(polls > 1000, `${polls} polls`)
  t.ok(seen.ADMITTED > 0 && seen.WAITING > 0, JSON.stringify(seen))
  t.ok(
    largestBurst(
      admitted.map(({ ms }) => ms),
      RATE,
    ) <=
      BURST + 1,
    `at most ${BURST} above the rate: ${largestBurst(
      admitted.map(({ ms }) => ms),
      RATE,
    ).toFixed(1)}`,
  )
  t.ok(admitted.length > RATE * SECONDS * 0.9, `nothing is held back either: ${admitted.length} were let in`)
  const inOrder = admitted.every(({ token }, i) => token === `token-${i}`)
  t.ok(inOrder, 'strictly in line order')
})

test('reading a status ten thousand times lets nobody in and changes no position', async (t) => {
  const { port } = await startTestProxy(t)
  const client = await connect(t, port)
  const event = `poll-${randomBytes(6).toString('hex')}`
  await client.call('TQ.CONFIG', event, 'rate', '1000000', 'burst', '1000')
  for (let i = 0; i < 10; i++) await client.call('TQ.ENQUEUE', event, 'ann', `token-${i}`)
  const before = await client.call('TQ.STATS', event)
  const size = await client.xlen(`tq:{${event}}:journal`)
  for (let round = 0; round < 10; round++) {
    const pipeline = client.pipeline()
    for (let i = 0; i < 1000; i++) pipeline.call('TQ.STATUS', event, `token-${i % 10}`)
    await pipeline.exec()
  }
  t.equal(await client.xlen(`tq:{${event}}:journal`), size)
  for (let i = 0; i < 10; i++) t.equal(await client.call('TQ.POS', event, `token-${i}`), i + 1)
  const after = (await client.call('TQ.STATS', event)) as unknown[]
  t.equal(after[after.indexOf('admitted_total') + 1], 0)
  t.equal((before as unknown[]).length, after.length)
})

test('people who joined before the opening wait for it, and are let in at once then', async (t) => {
  const { port } = await startTestProxy(t)
  const client = await connect(t, port)
  const event = `opening-${randomBytes(6).toString('hex')}`
  const [seconds, micros] = await client.time()
  const opens = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000) + 400
  await client.call('TQ.CONFIG', event, 'opens_at_ms', String(opens))
  await client.call('TQ.ENQUEUE', event, 'ann', 'token-1')
  let status: string
  let waits = 0
  do {
    ;[status] = (await client.call('TQ.ENTER', event, 'token-1')) as [string]
    if (status === 'WAITING') waits++
  } while (status === 'WAITING')
  t.equal(status, 'ADMITTED')
  t.ok(waits > 0)
  const [{ ms }] = await journal(client, event, 'admitted')
  t.ok(ms >= opens, `${ms - opens} ms after the opening`)
})

test('the absent are dropped when their turn comes, and nobody behind them waits for them', async (t) => {
  const { port } = await startTestProxy(t)
  const client = await connect(t, port)
  const event = `idle-${randomBytes(6).toString('hex')}`
  await client.call('TQ.CONFIG', event, 'idle_ms', '300', 'admit', 'manual')
  for (let i = 0; i < 20; i++) await client.call('TQ.ENQUEUE', event, `user-${i}`, `token-${i}`)
  const gone = Date.now() + 350
  while (Date.now() < gone) await client.call('TQ.STATUS', event, 'token-19')
  const rows = (await client.call('TQ.ADMIT', event, 'FORCE')) as [string][]
  t.strictSame(
    rows.map(([token]) => token),
    ['token-19'],
  )
  const state = (await client.call('TQ.STATUS', event, 'token-0')) as unknown[]
  t.equal(state[state.indexOf('state') + 1], 'expired')
})
