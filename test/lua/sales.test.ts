// What is held is sold once, to its holder; what is cancelled is on sale again.

import fc from 'fast-check'
import t from 'tap'
import { waitFor } from '../fixtures/cluster.ts'
import {
  fieldsOf,
  isJournalWhole,
  type LuaEvent,
  luaEvent,
  type Places,
  redisNow,
} from '../fixtures/lua-event.ts'

const seatsOf = (row: string, count: number) => Array.from({ length: count }, (_, i) => `${row}${i + 1}`)
type Held = [string, number, number, number, string[] | null]

async function counts(event: LuaEvent): Promise<number[]> {
  const stats = fieldsOf(await event.call('STATS')) as Record<string, number>
  return [stats.seats_total, stats.seats_available, stats.seats_held, stats.seats_sold]
}

async function venue(named: number, places: number): Promise<LuaEvent> {
  const event = await luaEvent()
  if (named > 0) await event.call('STOCK', {}, seatsOf('A', named))
  if (places > 0) await event.call('STOCK', { count: places })
  return event
}

t.test('what a user holds is sold to them, all or none, and confirming again says so', async (t) => {
  const event = await venue(4, 0)
  await event.call('HOLD', { user: 'ann' }, ['A1', 'A2'])
  await event.call('HOLD', { user: 'bob' }, ['A3'])
  t.same(await event.call('CONFIRM', { user: 'ann' }, ['A1', 'A3']), ['NOT_OWNER', 1, 0])
  t.same(await event.call('CONFIRM', { user: 'ann' }, ['A1', 'A4']), ['HOLD_EXPIRED', 1, 0])
  t.same(await counts(event), [4, 1, 3, 0])
  t.same(await event.call('CONFIRM', { user: 'ann' }, ['A1']), ['SOLD', 1, 1])
  t.same(await event.call('CONFIRM', { user: 'ann' }, ['A1', 'A2']), ['SOLD', 1, 2])
  t.same(await event.call('CONFIRM', { user: 'ann' }, ['A1', 'A2']), ['SOLD', 1, 2])
  t.same(await event.call('CONFIRM', { user: 'bob' }, ['A1']), ['NOT_OWNER', 1, 0])
  t.same(await event.call('HOLD', { user: 'ann' }, ['A1']), ['SEAT_UNAVAILABLE', 1, null, null, ['A1']])
  t.same(await event.call('RELEASE', { user: 'ann' }, ['A1']), ['NOT_OWNER', 1, 0])
  t.same(await counts(event), [4, 1, 1, 2])
})

t.test('a hold past its deadline is not sold, and what another took meanwhile is theirs', async (t) => {
  const event = await venue(2, 3)
  await event.call('HOLD', { user: 'ann', ttl: 100 }, ['A1', 'A2'])
  await event.call('HOLD', { user: 'ann', ttl: 100, quantity: 2 })
  await waitFor('the holds to run out', async () => (await counts(event))[2] === 0)
  t.same(await event.call('CONFIRM', { user: 'ann' }, ['A1']), ['HOLD_EXPIRED', 2, 0])
  t.same(await event.call('CONFIRM', { user: 'ann', quantity: 2 }), ['HOLD_EXPIRED', 3, 0])
  await event.call('HOLD', { user: 'bob' }, ['A1'])
  t.same(await event.call('CONFIRM', { user: 'ann' }, ['A1']), ['NOT_OWNER', 1, 0])
  t.match(await event.call('HOLD', { user: 'ann' }, ['A2']), ['HELD', 0], 'who wants it still holds it again')
  t.same(await event.call('CONFIRM', { user: 'ann' }, ['A2']), ['SOLD', 0, 1])
})

t.test('an older fence sells nothing', async (t) => {
  const event = await venue(3, 5)
  const [, , first] = (await event.call('HOLD', { user: 'ann' }, ['A1', 'A2'])) as Held
  const [, , second] = (await event.call('HOLD', { user: 'ann' }, ['A1', 'A3'])) as Held
  t.same(await event.call('CONFIRM', { user: 'ann', fence: first }, ['A1']), ['FENCED', 0, 0])
  t.same(await event.call('CONFIRM', { user: 'ann', fence: second }, ['A1']), ['SOLD', 0, 1])
  const [, , fence] = (await event.call('HOLD', { user: 'ann', quantity: 3 })) as Held
  t.same(await event.call('CONFIRM', { user: 'bob', fence, quantity: 3 }), ['NOT_OWNER', 2, 0])
  t.same(await event.call('CONFIRM', { user: 'ann', fence, quantity: 2 }), ['SOLD', 2, 2])
  t.same(
    await event.call('CONFIRM', { user: 'ann', fence, quantity: 2 }),
    ['HOLD_EXPIRED', 2, 0],
    'one is left of it',
  )
  t.same(await counts(event), [8, 2, 3, 3])
})

t.test('places by number are sold from the oldest hold on', async (t) => {
  const event = await venue(0, 10)
  await event.call('STOCK', { section: 'stalls', count: 4 })
  for (const quantity of [2, 3]) await event.call('HOLD', { user: 'ann', quantity })
  await event.call('HOLD', { user: 'ann', section: 'stalls', quantity: 4 })
  t.same(
    await event.call('CONFIRM', { user: 'ann', quantity: 6 }),
    ['HOLD_EXPIRED', 5, 0],
    'more than is held',
  )
  t.same(await event.call('CONFIRM', { user: 'ann', quantity: 4 }), ['SOLD', 5, 4])
  t.same(await event.call('CONFIRM', { user: 'ann', section: 'stalls', quantity: 4 }), ['SOLD', 0, 4])
  t.match(await event.call('HOLDS', { user: 'ann' }), [[null, 1, Number, Number]])
  t.same(await event.call('STOCK', { count: 4 }), ['BELOW_SOLD', 10])
  t.same(await event.call('STOCK', { count: 5 }), ['STOCKED', 5])
  t.same(await counts(event), [9, 0, 1, 8])
})

t.test('what was sold goes back on sale for its buyer alone', async (t) => {
  const event = await venue(3, 5)
  await event.call('HOLD', { user: 'ann' }, ['A1', 'A2'])
  await event.call('CONFIRM', { user: 'ann' }, ['A1', 'A2'])
  await event.call('HOLD', { user: 'ann', quantity: 3 })
  await event.call('CONFIRM', { user: 'ann', quantity: 3 })
  t.same(await event.call('CANCEL', { user: 'bob' }, ['A1']), ['NOT_OWNER', 1, 0])
  t.same(await event.call('CANCEL', { user: 'bob', quantity: 1 }), ['NOT_OWNER', 2, 0])
  t.same(await event.call('CANCEL', { user: 'ann' }, ['A1', 'A3']), ['RELEASED', 2, 1])
  t.same(await event.call('CANCEL', { user: 'ann' }, ['A1']), ['RELEASED', 2, 0])
  t.same(await event.call('CANCEL', { user: 'ann', quantity: 4 }), ['NOT_OWNER', 2, 0])
  t.same(await event.call('CANCEL', { user: 'ann', quantity: 3 }), ['RELEASED', 5, 3])
  t.same(await event.call('CANCEL', { user: 'ann', quantity: 1 }), ['NOT_OWNER', 5, 0])
  t.same(await counts(event), [8, 7, 0, 1])
  await event.call('HOLD', { user: 'ann' }, ['A3'])
  t.same(await event.call('CANCEL', { user: 'ann' }, ['A3']), ['NOT_OWNER', 1, 0], 'held is not sold')
})

t.test('what was bought counts towards max_seats', async (t) => {
  const event = await venue(5, 5)
  await event.call('CONFIG', {}, ['max_seats', '3'])
  await event.call('HOLD', { user: 'ann' }, ['A1'])
  await event.call('CONFIRM', { user: 'ann' }, ['A1'])
  await event.call('HOLD', { user: 'ann', quantity: 1 })
  await event.call('CONFIRM', { user: 'ann', quantity: 1 })
  t.match(await event.call('HOLD', { user: 'ann', quantity: 2 }), ['LIMIT'])
  t.match(await event.call('HOLD', { user: 'ann', quantity: 1 }), ['HELD'])
  t.match(await event.call('HOLD', { user: 'ann' }, ['A2']), ['LIMIT'])
  await event.call('CANCEL', { user: 'ann' }, ['A1'])
  t.match(await event.call('HOLD', { user: 'ann' }, ['A2']), ['HELD'])
})

t.test('holds get more time, never past max_hold_ms after the first hold, and never less', async (t) => {
  const event = await venue(3, 9)
  await event.call('CONFIG', {}, ['max_hold_ms', '60000'])
  const started = await redisNow(event.redis)
  const [, , fence, expires] = (await event.call('HOLD', { user: 'ann', ttl: 10_000 }, ['A1', 'A2'])) as Held
  t.same(await event.call('EXTEND', { user: 'ann', ttl: 1000 }, ['A1']), ['HELD', 1, fence, expires, null])
  const [, , , later] = (await event.call('EXTEND', { user: 'ann', ttl: 30_000 }, ['A1', 'A2'])) as Held
  t.ok(later >= started + 30_000 && later < started + 35_000)
  const [, , , latest] = (await event.call('EXTEND', { user: 'ann', ttl: 90_000, fence }, [
    'A1',
    'A2',
  ])) as Held
  t.ok(latest >= started + 60_000 && latest < started + 65_000)
  t.same(await event.call('EXTEND', { user: 'bob', ttl: 1000 }, ['A1']), ['NOT_OWNER', 1, null, null, ['A1']])
  t.same(await event.call('EXTEND', { user: 'ann', ttl: 1000 }, ['A1', 'A3']), [
    'HOLD_EXPIRED',
    1,
    null,
    null,
    ['A3'],
  ])
  t.same(await event.call('EXTEND', { user: 'ann', ttl: 1000, fence: fence + 1 }, ['A1']), [
    'FENCED',
    1,
    null,
    null,
    ['A1'],
  ])

  const [, , byNumber] = (await event.call('HOLD', { user: 'ann', ttl: 100, quantity: 4 })) as Held
  t.match(await event.call('EXTEND', { user: 'ann', ttl: 20_000, quantity: 4 }), [
    'HELD',
    5,
    byNumber,
    Number,
    null,
  ])
  t.ok(await isJournalWhole(event))
  t.same(await event.call('EXTEND', { user: 'ann', ttl: 20_000, quantity: 5 }), [
    'HOLD_EXPIRED',
    5,
    null,
    null,
    null,
  ])
  await waitFor('the first deadline to pass', async () => (await redisNow(event.redis)) > started + 300)
  t.same(await counts(event), [12, 6, 6, 0])
  t.match(await event.call('CONFIRM', { user: 'ann', quantity: 4 }), ['SOLD', 5, 4], 'it is still held')
})

t.test('a seat whose hold was extended is still held when its first deadline has passed', async (t) => {
  const event = await venue(1, 0)
  const [, , , expires] = (await event.call('HOLD', { user: 'ann', ttl: 100 }, ['A1'])) as Held
  await event.call('EXTEND', { user: 'ann', ttl: 60_000 }, ['A1'])
  await waitFor('the first deadline to pass', async () => (await redisNow(event.redis)) > expires)
  t.match(await event.call('HOLD', { user: 'bob' }, ['A1']), ['SEAT_UNAVAILABLE'])
  t.match(await event.call('CONFIRM', { user: 'ann' }, ['A1']), ['SOLD', 0, 1])
})

t.test('HOLDS lists what is held, and what ran out is not in it', async (t) => {
  const event = await venue(3, 0)
  await event.call('STOCK', { section: 'stalls', count: 5 })
  const [, , f1, e1] = (await event.call('HOLD', { user: 'ann' }, ['A2'])) as Held
  const [, , f2, e2] = (await event.call('HOLD', { user: 'ann', section: 'stalls', quantity: 2 })) as Held
  await event.call('HOLD', { user: 'ann', ttl: 50 }, ['A3'])
  await event.call('HOLD', { user: 'bob' }, ['A1'])
  await waitFor(
    'A3 to run out',
    async () => ((await event.call('HOLDS', { user: 'ann' })) as unknown[]).length === 2,
  )
  t.same(await event.call('HOLDS', { user: 'ann' }), [
    ['stalls', 2, f2, e2],
    ['A2', 1, f1, e1],
  ])
  t.same(await event.call('HOLDS', { user: 'cid' }), [])
})

t.test('free seats are withdrawn, all or none', async (t) => {
  const event = await venue(4, 0)
  await event.call('HOLD', { user: 'ann' }, ['A1'])
  t.same(await event.call('UNSTOCK', {}, ['A1', 'A2']), ['SEAT_UNAVAILABLE', 4, 0])
  t.same(await event.call('UNSTOCK', {}, ['A2', 'A3']), ['UNSTOCKED', 2, 2])
  t.same(await event.call('UNSTOCK', {}, ['A2']), ['UNSTOCKED', 2, 0])
  t.same(await event.call('HOLD', { user: 'bob' }, ['A2']), ['SEAT_UNKNOWN', 1, null, null, ['A2']])
  t.same(await counts(event), [2, 1, 1, 0])
  t.ok(await isJournalWhole(event))
  t.same(await event.call('STOCK', {}, ['A2']), ['STOCKED', 3])
  t.ok(await isJournalWhole(event))
})

t.test('a sale, a cancellation and an extension that are sent again take effect once', async (t) => {
  const event = await venue(0, 9)
  await event.call('HOLD', { user: 'ann', quantity: 4 })
  const sold = await event.call('CONFIRM', { user: 'ann', quantity: 2 })
  t.same(sold, ['SOLD', 5, 2])
  t.same(await event.again(), sold)
  const cancelled = await event.call('CANCEL', { user: 'ann', quantity: 1 })
  t.same(await event.again(), cancelled)
  t.same(await counts(event), [9, 6, 2, 1])
  const byId = await event.call('CONFIRM', { user: 'ann', quantity: 1, id: 'pay-1' })
  t.same(await event.call('CONFIRM', { user: 'ann', quantity: 1, id: 'pay-1' }), byId)
  t.match(await event.call('CANCEL', { user: 'ann', quantity: 1, id: 'pay-1' }), /^IDMISMATCH /)
  const back = await event.call('CANCEL', { user: 'ann', quantity: 1, id: 'back-1' })
  t.same(await event.call('CANCEL', { user: 'ann', quantity: 1, id: 'back-1' }), back)
  t.same(await counts(event), [9, 7, 1, 1])
  const extended = await event.call('EXTEND', { user: 'ann', ttl: 900_000, quantity: 1 })
  t.same(await event.again(), extended)
})

t.test(
  'whatever is held, released, sold and cancelled, nothing is lost and nothing is sold twice',
  async (t) => {
    const names = seatsOf('S', 5)
    const users = ['ann', 'bob']
    const of = fc.subarray(names, { minLength: 1 })
    const step = fc.record({
      kind: fc.constantFrom('HOLD', 'RELEASE', 'CONFIRM', 'CANCEL', 'CLEANUP'),
      user: fc.constantFrom(...users),
      what: fc.oneof(of, fc.integer({ min: 1, max: 4 })),
    })
    for (const named of [true, false]) {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
          const event = await luaEvent()
          const places = 7
          if (named) await event.call('STOCK', {}, names)
          await event.call('STOCK', { count: places })
          const seat = new Map<string, { user: string; sold: boolean }>()
          const held = { ann: 0, bob: 0 } as Record<string, number>
          const bought = { ann: 0, bob: 0 } as Record<string, number>
          const inPlaces = () => held.ann + held.bob + bought.ann + bought.bob + (named ? 0 : seat.size)
          for (const { kind, user, what } of steps) {
            if (kind === 'CLEANUP') {
              await event.call('CLEANUP')
              continue
            }
            const byNumber = typeof what === 'number'
            const call: Places = byNumber ? { user, quantity: what } : { user }
            const reply = (await event.call(kind, call, byNumber ? [] : what)) as unknown[]
            let status: string
            let count = 0
            if (byNumber) {
              if (kind === 'HOLD') {
                status = inPlaces() + what <= places ? 'HELD' : 'SOLD_OUT'
                if (status === 'HELD') held[user] += what
              } else if (kind === 'RELEASE') {
                status = 'RELEASED'
                count = Math.min(what, held[user])
                held[user] -= count
              } else if (kind === 'CONFIRM') {
                status = held[user] >= what ? 'SOLD' : 'HOLD_EXPIRED'
                if (status === 'SOLD') {
                  count = what
                  held[user] -= what
                  bought[user] += what
                }
              } else {
                status = bought[user] >= what ? 'RELEASED' : 'NOT_OWNER'
                if (status === 'RELEASED') {
                  count = what
                  bought[user] -= what
                }
              }
            } else {
              const states = what.map((name) => seat.get(name))
              const foreign = states.some((state) => state !== undefined && state.user !== user)
              if (kind === 'HOLD') {
                const taken = states.some(
                  (state) => state !== undefined && (state.sold || state.user !== user),
                )
                const fresh = states.filter((state) => state === undefined).length
                if (taken) status = 'SEAT_UNAVAILABLE'
                else status = named || inPlaces() + fresh <= places ? 'HELD' : 'SOLD_OUT'
                if (status === 'HELD') for (const name of what) seat.set(name, { user, sold: false })
              } else if (kind === 'RELEASE' || kind === 'CANCEL') {
                const sold = kind === 'CANCEL'
                const wrong = foreign || states.some((state) => state !== undefined && state.sold !== sold)
                status = wrong ? 'NOT_OWNER' : 'RELEASED'
                if (!wrong) {
                  count = states.filter((state) => state !== undefined).length
                  for (const name of what) seat.delete(name)
                }
              } else {
                if (foreign) status = 'NOT_OWNER'
                else if (states.some((state) => state === undefined)) status = 'HOLD_EXPIRED'
                else {
                  status = 'SOLD'
                  count = what.length
                  for (const name of what) seat.set(name, { user, sold: true })
                }
              }
            }
            if (reply[0] !== status) throw new Error(`${kind} ${user} ${what}: ${reply}, not ${status}`)
            if (kind !== 'HOLD' && reply[2] !== count)
              throw new Error(`${kind} ${user} ${what}: ${reply}, not ${count}`)
            const total = places + (named ? names.length : 0)
            const seats = [...seat.values()]
            const isHeld = held.ann + held.bob + seats.filter(({ sold }) => !sold).length
            const isSold = bought.ann + bought.bob + seats.filter(({ sold }) => sold).length
            const expected = [total, total - isHeld - isSold, isHeld, isSold]
            if (!(await isJournalWhole(event))) throw new Error(`${kind} took no number`)
            const found = await counts(event)
            if (found.join() !== expected.join()) throw new Error(`${kind}: ${found}, not ${expected}`)
          }
        }),
        { numRuns: 40 },
      )
    }
    t.pass()
  },
)
