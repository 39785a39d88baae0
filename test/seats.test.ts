// Seats fought for by many clients, on a real cluster: none is ever held twice, none is lost.

import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { test } from 'tap'
import { startTestProxy } from './fixtures/proxy.ts'

type Held = [
  status: string,
  remaining: number,
  fence: number | null,
  expires: number | null,
  seats: string[] | null,
]

const SEATS = Array.from({ length: 500 }, (_, i) => `R${Math.floor(i / 25)}-${i % 25}`)

function record(flat: readonly (string | number)[] | Record<string, number>): Record<string, number> {
  if (!Array.isArray(flat)) return flat as Record<string, number>
  return Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]))
}

test('50 clients fight for 500 seats: no seat has two owners, and the stock is whole at every sample (invariant 5)', async (t) => {
  const { port } = await startTestProxy(t)
  const connect = (): Redis => {
    const client = new Redis(port, '127.0.0.1', { retryStrategy: () => null, protocol: 2 })
    t.teardown(() => client.disconnect())
    return client
  }
  const event = `seats-${randomBytes(6).toString('hex')}`
  const watcher = connect()
  t.strictSame(await watcher.call('TQ.STOCK', event, 'SEATS', ...SEATS), ['STOCKED', 500])

  /** What each client was told: from before its HOLD was sent until its RELEASE came back or its deadline passed. */
  const tenures: { seat: string; user: string; fence: number; heldAt: number; until: number }[] = []
  const outcomes = { HELD: 0, SEAT_UNAVAILABLE: 0, released: 0, expired: 0 }
  const until = Date.now() + 6000
  let working = true

  const fight = async (user: string): Promise<void> => {
    const client = connect()
    while (Date.now() < until) {
      const wanted = new Set(Array.from({ length: 1 + randomInt(4) }, () => SEATS[randomInt(SEATS.length)]))
      const ttl = 20 + randomInt(400)
      const [status, , fence, expires] = (await client.call(
        'TQ.HOLD',
        event,
        user,
        'PX',
        String(ttl),
        'SEATS',
        ...wanted,
      )) as Held
      const heldAt = Date.now()
      if (status !== 'HELD') {
        outcomes.SEAT_UNAVAILABLE++
        continue
      }
      outcomes.HELD++
      await delay(randomInt(ttl))
      const keep = randomInt(3) === 0
      const releasedAt = Date.now()
      for (const seat of wanted) {
        // Within a few ms of its deadline a hold may be over on Redis's clock and not on ours.
        tenures.push({
          seat,
          user,
          fence: fence!,
          heldAt,
          until: Math.min(expires! - 2, keep ? Infinity : releasedAt),
        })
      }
      if (keep) {
        await delay(Math.max(0, expires! - Date.now() + 5))
        outcomes.expired++
      } else {
        await client.call('TQ.RELEASE', event, user, 'SEATS', ...wanted)
        outcomes.released++
      }
    }
  }
  const sample = async (): Promise<number> => {
    let samples = 0
    while (working) {
      const stats = record((await watcher.call('TQ.STATS', event)) as (string | number)[])
      const whole = stats.seats_available + stats.seats_held + stats.seats_sold
      if (whole !== 500 || stats.seats_total !== 500) t.fail(`the stock is ${JSON.stringify(stats)}`)
      samples++
      await delay(5)
    }
    return samples
  }
  const samples = sample()
  await Promise.all(Array.from({ length: 50 }, (_, i) => fight(`user-${i}`)))
  working = false
  t.ok((await samples) > 100, 'the stock was looked at often')
  for (const [outcome, count] of Object.entries(outcomes)) t.ok(count > 20, `${count} times ${outcome}`)

  const bySeat = Map.groupBy(tenures, ({ seat }) => seat)
  let overlaps = 0
  for (const list of bySeat.values()) {
    list.sort((a, b) => a.fence - b.fence)
    for (let i = 1; i < list.length; i++) {
      if (list[i].user !== list[i - 1].user && list[i].heldAt < list[i - 1].until) overlaps++
    }
  }
  t.equal(overlaps, 0, 'no two users were ever told at the same time that a seat is theirs')

  await delay(450)
  const end = record((await watcher.call('TQ.STATS', event)) as (string | number)[])
  t.equal(end.seats_available, 500, 'all of the stock is back, and nothing swept it')
  t.equal(end.seats_held, 0)
})

test('a hold that ran out is free to the next caller, with no sweeper running', async (t) => {
  const { port } = await startTestProxy(t)
  const client = new Redis(port, '127.0.0.1', { protocol: 2 })
  t.teardown(() => client.disconnect())
  const event = `seats-${randomBytes(6).toString('hex')}`
  await client.call('TQ.STOCK', event, 'SEATS', 'A1', 'A2')
  const [status, , fence, expires] = (await client.call(
    'TQ.HOLD',
    event,
    'ann',
    'PX',
    '60',
    'SEATS',
    'A1',
  )) as Held
  t.equal(status, 'HELD')
  t.strictSame(await client.call('TQ.HOLD', event, 'ben', 'SEATS', 'A1'), [
    'SEAT_UNAVAILABLE',
    1,
    null,
    null,
    ['A1'],
  ])
  let next: Held
  do {
    next = (await client.call('TQ.HOLD', event, 'ben', 'SEATS', 'A1')) as Held
  } while (next[0] === 'SEAT_UNAVAILABLE' && Date.now() < expires! + 1000)
  t.equal(next[0], 'HELD')
  t.ok(next[2]! > fence!, 'the new hold has a later fence')
  t.strictSame(
    await client.call('TQ.RELEASE', event, 'ann', 'SEATS', 'A1'),
    ['NOT_OWNER', 1, 0],
    'ann cannot release it any more',
  )
})
