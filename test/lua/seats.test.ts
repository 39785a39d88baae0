// Seats are held by one user at a time, all or none, and what runs out is free at once.

import fc from 'fast-check'
import t from 'tap'
import { waitFor } from '../fixtures/cluster.ts'
import { fieldsOf, type LuaEvent, luaEvent, redisNow } from '../fixtures/lua-event.ts'

const seatsOf = (row: string, count: number) => Array.from({ length: count }, (_, i) => `${row}${i + 1}`)

async function counts(event: LuaEvent): Promise<[number, number, number, number]> {
  const stats = fieldsOf(await event.call('STATS')) as Record<string, number>
  return [stats.seats_total, stats.seats_available, stats.seats_held, stats.seats_sold]
}

t.test('seats are held all or none, and the refusal names those that are taken', async (t) => {
  const event = await luaEvent()
  t.same(await event.call('STOCK', {}, seatsOf('A', 5)), ['STOCKED', 5])
  t.same(await event.call('STOCK', {}, ['A5', 'A6']), ['STOCKED', 6], 'a seat is stocked once')
  const held = (await event.call('HOLD', { user: 'ann' }, ['A1', 'A2'])) as [
    string,
    number,
    number,
    number,
    null,
  ]
  t.match(held, ['HELD', 4, Number, Number, null])
  t.same(await event.call('HOLD', { user: 'bob' }, ['A1', 'A3', 'A2']), [
    'SEAT_UNAVAILABLE',
    4,
    null,
    null,
    ['A1', 'A2'],
  ])
  t.same(await event.call('HOLD', { user: 'bob' }, ['A3', 'Z1']), ['SEAT_UNKNOWN', 4, null, null, ['Z1']])
  t.match(await event.call('HOLD', { user: 'bob' }, ['A3']), ['HELD', 3])
  t.same(await counts(event), [6, 3, 3, 0])
  const now = await redisNow(event.redis)
  t.ok(Math.abs(held[3] - now - 300_000) < 5000, 'five minutes unless told otherwise')
})

t.test('of fifty users who want one seat at once, one gets it', async (t) => {
  const event = await luaEvent()
  await event.call('STOCK', {}, ['A1'])
  const replies = (await Promise.all(
    Array.from({ length: 50 }, (_, i) => event.call('HOLD', { user: `u${i}` }, ['A1'])),
  )) as string[][]
  t.equal(replies.filter(([status]) => status === 'HELD').length, 1)
  t.equal(replies.filter(([status]) => status === 'SEAT_UNAVAILABLE').length, 49)
})

t.test('naming exactly what one holds returns the same hold; more seats share a new fence', async (t) => {
  const event = await luaEvent()
  await event.call('STOCK', {}, seatsOf('A', 5))
  const first = (await event.call('HOLD', { user: 'ann', ttl: 60_000 }, ['A1', 'A2'])) as number[]
  t.same(await event.call('HOLD', { user: 'ann', ttl: 90_000 }, ['A2', 'A1']), first)
  const second = (await event.call('HOLD', { user: 'ann', ttl: 90_000 }, ['A1', 'A3'])) as number[]
  t.equal(second[1], 2)
  t.ok(second[2] > first[2])
  t.equal(second[3], first[3], 'what was held keeps its deadline, and the earliest is told')
  t.same(await event.call('RELEASE', { user: 'ann', fence: first[2] }, ['A1']), ['FENCED', 2, 0])
  t.same(await event.call('RELEASE', { user: 'ann', fence: second[2] }, ['A1', 'A3']), ['RELEASED', 4, 2])
  t.same(await event.call('RELEASE', { user: 'ann', fence: first[2] }, ['A2']), ['RELEASED', 5, 1])
})

t.test('only the owner releases, all or none, and what is free counts nothing', async (t) => {
  const event = await luaEvent()
  t.same(
    await event.call('RELEASE', { user: 'ann' }, ['A1']),
    ['RELEASED', 0, 0],
    'in an event that is not there',
  )
  await event.call('STOCK', {}, seatsOf('A', 3))
  await event.call('HOLD', { user: 'ann' }, ['A1'])
  await event.call('HOLD', { user: 'bob' }, ['A2'])
  t.same(await event.call('RELEASE', { user: 'ann' }, ['A1', 'A2']), ['NOT_OWNER', 1, 0])
  t.same(await event.call('RELEASE', { user: 'ann' }, ['A1', 'A3', 'unknown']), ['RELEASED', 2, 1])
  t.same(await event.call('RELEASE', { user: 'ann' }, ['A1']), ['RELEASED', 2, 0])
})

t.test('a hold past its deadline is free at once, and the stock is whole (invariant 5)', async (t) => {
  const event = await luaEvent()
  await event.call('STOCK', {}, ['A1', 'A2'])
  await event.call('STOCK', { count: 10 })
  await event.call('HOLD', { user: 'ann', ttl: 150 }, ['A1'])
  await event.call('HOLD', { user: 'ann', ttl: 150, quantity: 4 })
  t.same(await counts(event), [12, 7, 5, 0])
  await waitFor('the holds to run out', async () => (await counts(event))[2] === 0)
  t.same(await counts(event), [12, 12, 0, 0])
  t.same(await event.call('RELEASE', { user: 'ann' }, ['A1']), ['RELEASED', 2, 0])
  t.same(await event.call('RELEASE', { user: 'ann', quantity: 4 }), ['RELEASED', 10, 0])
  t.match(await event.call('HOLD', { user: 'bob' }, ['A1']), ['HELD', 1])
  t.match(await event.call('HOLD', { user: 'bob', quantity: 10 }), ['HELD', 0])
  t.same(await counts(event), [12, 1, 11, 0])
})

t.test('places are held by number, in sections or without, never more than there are', async (t) => {
  const event = await luaEvent()
  t.same(await event.call('HOLD', { user: 'ann', quantity: 1 }), ['SOLD_OUT', 0, null, null, null])
  t.same(await event.call('STOCK', { count: 5 }), ['STOCKED', 5])
  t.same(await event.call('STOCK', { section: 'stalls', count: 3 }), ['STOCKED', 3])
  t.same(await event.call('STOCK', { section: 'balcony', count: 2 }), ['STOCKED', 2])
  t.match(await event.call('HOLD', { user: 'ann', quantity: 4 }), ['HELD', 1])
  t.same(await event.call('HOLD', { user: 'ann', quantity: 2 }), ['SOLD_OUT', 1, null, null, null])
  t.match(await event.call('HOLD', { user: 'ann', section: 'stalls', quantity: 3 }), ['HELD', 0])
  t.match(await event.call('HOLD', { user: 'ann', section: 'balcony', quantity: 1 }), ['HELD', 1])
  t.same(await event.call('HOLD', { user: 'ann', section: 'moon', quantity: 1 }), [
    'SOLD_OUT',
    0,
    null,
    null,
    null,
  ])
  t.same(await event.call('STOCK', { section: 'stalls', count: 2 }), ['BELOW_SOLD', 3])
  t.same(await event.call('STOCK', { section: 'stalls', count: 4 }), ['STOCKED', 4])
  t.same(await counts(event), [11, 3, 8, 0])
  t.same(await event.call('RELEASE', { user: 'ann', section: 'stalls', quantity: 2 }), ['RELEASED', 3, 2])
  t.same(await event.call('RELEASE', { user: 'ann', section: 'stalls', quantity: 5 }), ['RELEASED', 4, 1])
  t.same(await event.call('RELEASE', { user: 'bob', quantity: 5 }), ['RELEASED', 1, 0])
  t.same(await counts(event), [11, 6, 5, 0])
})

t.test('the oldest holds by number are released first, unless a fence names one', async (t) => {
  const event = await luaEvent()
  await event.call('STOCK', { count: 10 })
  const fences: number[] = []
  for (let i = 0; i < 3; i++) {
    fences.push(((await event.call('HOLD', { user: 'ann', quantity: 2 })) as number[])[2])
  }
  const release = (places: object) => event.call('RELEASE', { user: 'ann', ...places })
  t.same(await release({ quantity: 1, fence: fences[2] }), ['RELEASED', 5, 1])
  t.same(await release({ quantity: 3 }), ['RELEASED', 8, 3])
  t.same(await release({ quantity: 2, fence: fences[0] }), ['RELEASED', 8, 0])
  t.same(await event.call('RELEASE', { user: 'bob', quantity: 1, fence: fences[1] }), ['NOT_OWNER', 8, 0])
  t.same(await release({ quantity: 9, fence: fences[1] }), ['RELEASED', 9, 1])
  t.same(await release({ quantity: 9 }), ['RELEASED', 10, 1])
})

t.test('any seat name is accepted, each once, where seats are sold by number', async (t) => {
  const event = await luaEvent()
  t.same(await event.call('HOLD', { user: 'ann' }, ['x']), ['SEAT_UNKNOWN', 0, null, null, ['x']])
  await event.call('STOCK', { count: 3 })
  t.match(await event.call('HOLD', { user: 'ann' }, ['x', 'y']), ['HELD', 1])
  t.same(await event.call('HOLD', { user: 'bob' }, ['y']), ['SEAT_UNAVAILABLE', 1, null, null, ['y']])
  t.same(await event.call('HOLD', { user: 'bob' }, ['v', 'w']), ['SOLD_OUT', 1, null, null, null])
  t.match(await event.call('HOLD', { user: 'bob', quantity: 1 }), ['HELD', 0])
  t.same(await event.call('RELEASE', { user: 'ann' }, ['x']), ['RELEASED', 1, 1])
  t.same(await counts(event), [3, 1, 2, 0])
  t.match(await event.call('HOLD', { user: 'ann' }, ['later-unnamed']), ['HELD', 0])
  t.same(await event.call('STOCK', {}, ['x', 'y', 'z']), ['STOCKED', 3], 'seats get names later')
  t.same(await counts(event), [6, 3, 3, 0])
  t.same(
    await event.call('RELEASE', { user: 'ann' }, ['later-unnamed']),
    ['RELEASED', 2, 1],
    'of the named seats',
  )
  t.same(await counts(event), [6, 4, 2, 0])
  t.same(await event.call('HOLD', { user: 'bob' }, ['y']), ['SEAT_UNAVAILABLE', 2, null, null, ['y']])
  t.same(await event.call('HOLD', { user: 'bob' }, ['other']), ['SEAT_UNKNOWN', 2, null, null, ['other']])
})

t.test('a user holds at most max_seats', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['max_seats', '3'])
  await event.call('STOCK', {}, seatsOf('A', 9))
  await event.call('STOCK', { count: 9 })
  t.match(await event.call('HOLD', { user: 'ann', ttl: 100 }, ['A1', 'A2']), ['HELD'])
  t.same(await event.call('HOLD', { user: 'ann' }, ['A3', 'A4']), ['LIMIT', 7, null, null, null])
  t.same(await event.call('HOLD', { user: 'ann', quantity: 2 }), ['LIMIT', 9, null, null, null])
  t.match(await event.call('HOLD', { user: 'ann', quantity: 1 }), ['HELD', 8])
  t.same(await event.call('HOLD', { user: 'ann', quantity: 1 }), ['LIMIT', 8, null, null, null])
  t.match(await event.call('HOLD', { user: 'bob' }, ['A3', 'A4', 'A5']), ['HELD'])
  await waitFor('the first hold to run out', async () => {
    const [status] = (await event.call('HOLD', { user: 'ann' }, ['A1', 'A2'])) as string[]
    return status === 'HELD'
  })
})

t.test('a hold lives hold_ttl_ms, and no longer than max_hold_ms', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['hold_ttl_ms', '60000', 'max_hold_ms', '90000'])
  await event.call('STOCK', { count: 5 })
  const lives = async (places: object) => {
    const now = await redisNow(event.redis)
    return ((await event.call('HOLD', { user: 'ann', quantity: 1, ...places })) as number[])[3] - now
  }
  const near = (value: number, ms: number) =>
    t.ok(value >= ms && value < ms + 2000, `${value} is about ${ms}`)
  near(await lives({}), 60_000)
  near(await lives({ ttl: 80_000 }), 80_000)
  near(await lives({ ttl: 100_000 }), 90_000)
})

t.test('an ID gives the first result of a hold by number again', async (t) => {
  const event = await luaEvent()
  await event.call('STOCK', { count: 5 })
  const first = await event.call('HOLD', { user: 'ann', quantity: 2, id: 'order-1' })
  t.match(first, ['HELD', 3])
  t.same(await event.call('HOLD', { user: 'ann', quantity: 2, id: 'order-1' }), first)
  t.match(await event.call('HOLD', { user: 'ann', quantity: 3, id: 'order-1' }), /^IDMISMATCH /)
  t.match(await event.call('RELEASE', { user: 'ann', quantity: 2, id: 'order-1' }), /^IDMISMATCH /)
  t.same(await event.call('RELEASE', { user: 'ann', quantity: 1, id: 'r' }), ['RELEASED', 4, 1])
  t.same(await event.call('RELEASE', { user: 'ann', quantity: 1, id: 'r' }), ['RELEASED', 4, 1])
  t.same(await counts(event), [5, 4, 1, 0])
})

t.test('a request that is sent again takes effect once', async (t) => {
  const event = await luaEvent()
  await event.call('STOCK', { count: 5 })
  const stockAgain = event.repeater()
  await event.call('STOCK', { count: 6 })
  t.same(await stockAgain(), ['STOCKED', 5])
  const held = await event.call('HOLD', { user: 'ann', quantity: 2 })
  const holdAgain = event.repeater()
  t.same(await holdAgain(), held)
  const released = await event.call('RELEASE', { user: 'ann', quantity: 1 })
  t.same(await event.again(), released)
  t.same(await holdAgain(), held)
  t.same(await counts(event), [6, 5, 1, 0])
})

t.test('the seat map has every seat and its state once', async (t) => {
  const event = await luaEvent()
  for (let row = 0; row < 4; row++) await event.call('STOCK', {}, seatsOf(`R${row}-`, 200))
  const [, , , expires] = (await event.call('HOLD', { user: 'ann' }, ['R1-7'])) as number[]
  const seen = new Map<string, unknown[]>()
  let cursor = '0'
  do {
    const [next, page] = (await event.call('SEATMAP', { cursor, count: 100 })) as [string, (string | null)[]]
    for (let i = 0; i < page.length; i += 4) seen.set(page[i] as string, page.slice(i + 1, i + 4))
    cursor = next
  } while (cursor !== '0')
  t.equal(seen.size, 800)
  t.same(seen.get('R1-7'), ['held', 'ann', expires])
  t.same(seen.get('R1-8'), ['free', null, null])
  t.same(await (await luaEvent()).call('SEATMAP'), ['0', []])
})

t.test('a hold by name that ran out leaves nothing behind when its seat is put on sale', async (t) => {
  const event = await luaEvent()
  await event.call('STOCK', { count: 5 })
  const [, , , end] = (await event.call('HOLD', { user: 'ann', ttl: 5 }, ['A1'])) as number[]
  await waitFor('the hold to run out', async () => (await redisNow(event.redis)) > end)
  t.same(await event.call('STOCK', {}, ['A1']), ['STOCKED', 1])
  t.equal(await event.redis.zcard(event.keys.holds), 1, 'the sentinel')
  t.equal(await event.redis.zcard(event.keys.users), 1)
})

t.test('more than 500 seats in a call are refused (invariant 2)', async (t) => {
  const event = await luaEvent()
  t.match(await event.call('STOCK', {}, seatsOf('A', 501)), /^ERR too many seats/)
  t.same(await event.call('STOCK', {}, seatsOf('A', 500)), ['STOCKED', 500])
  t.match(await event.call('HOLD', { user: 'ann' }, seatsOf('A', 501)), /^ERR too many seats/)
  t.match(await event.call('HOLD', { user: 'ann' }, seatsOf('A', 500)), ['HELD', 0])
  t.match(await event.call('RELEASE', { user: 'ann' }, seatsOf('A', 501)), /^ERR too many seats/)
  t.match(await event.call('RELEASE', { user: 'ann' }, seatsOf('A', 500)), ['RELEASED', 500, 500])
})

t.test('whatever is held and released, available, held and sold are the stock', async (t) => {
  const names = seatsOf('S', 6)
  const users = ['ann', 'bob', 'cid']
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('seats' as const),
      user: fc.constantFrom(...users),
      of: fc.subarray(names, { minLength: 1 }),
    }),
    fc.record({
      kind: fc.constant('free' as const),
      user: fc.constantFrom(...users),
      of: fc.subarray(names, { minLength: 1 }),
    }),
    fc.record({
      kind: fc.constant('take' as const),
      user: fc.constantFrom(...users),
      n: fc.integer({ min: 1, max: 5 }),
    }),
    fc.record({
      kind: fc.constant('give' as const),
      user: fc.constantFrom(...users),
      n: fc.integer({ min: 1, max: 5 }),
    }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const event = await luaEvent()
      await event.call('STOCK', {}, names)
      await event.call('STOCK', { count: 8 })
      const owner = new Map<string, string>()
      const places = new Map<string, number>(users.map((user) => [user, 0]))
      for (const { kind, user, ...rest } of steps) {
        const taken = [...places.values()].reduce((sum, n) => sum + n, 0)
        if (kind === 'seats') {
          const { of } = rest as { of: string[] }
          const [status] = (await event.call('HOLD', { user }, of)) as string[]
          const free = of.every((seat) => (owner.get(seat) ?? user) === user)
          if (status !== (free ? 'HELD' : 'SEAT_UNAVAILABLE')) throw new Error(`${user} ${of}: ${status}`)
          if (free) for (const seat of of) owner.set(seat, user)
        } else if (kind === 'free') {
          const { of } = rest as { of: string[] }
          const [status, , count] = (await event.call('RELEASE', { user }, of)) as [string, number, number]
          const own = of.filter((seat) => owner.get(seat) === user)
          const foreign = of.some((seat) => owner.has(seat) && owner.get(seat) !== user)
          if (status !== (foreign ? 'NOT_OWNER' : 'RELEASED'))
            throw new Error(`${user} frees ${of}: ${status}`)
          if (count !== (foreign ? 0 : own.length)) throw new Error(`${user} frees ${of}: ${count}`)
          if (!foreign) for (const seat of own) owner.delete(seat)
        } else {
          const { n } = rest as { n: number }
          const reply = (await event.call(kind === 'take' ? 'HOLD' : 'RELEASE', { user, quantity: n })) as [
            string,
            number,
            number,
          ]
          if (kind === 'take') {
            const fits = taken + n <= 8
            if (reply[0] !== (fits ? 'HELD' : 'SOLD_OUT')) throw new Error(`take ${n}: ${reply}`)
            if (fits) places.set(user, places.get(user)! + n)
          } else {
            const given = Math.min(n, places.get(user)!)
            if (reply[2] !== given) throw new Error(`give ${n}: ${reply}`)
            places.set(user, places.get(user)! - given)
          }
        }
        const held = owner.size + [...places.values()].reduce((sum, n) => sum + n, 0)
        const found = await counts(event)
        if (found.join() !== [14, 14 - held, held, 0].join()) throw new Error(`${found} with ${held} held`)
      }
    }),
    { numRuns: 40 },
  )
  t.pass()
})
