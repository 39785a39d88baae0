// The line keeps its order, tells duplicates from joins, and lets go of who leaves.

import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { EVENT_KEYS } from '../../src/commands/spec.ts'
import { waitFor } from '../fixtures/cluster.ts'
import { contentOf, fieldsOf, type LuaEvent, luaEvent, luaRedis, redisNow } from '../fixtures/lua-event.ts'

const QUEUED = (position: number) => ['QUEUED', /^\d+-\d+$/, position]

function join(event: LuaEvent, user: string, token: string, places = {}): Promise<unknown[]> {
  return event.call('ENQUEUE', { user, token, ...places }) as Promise<unknown[]>
}

t.test('the first join makes all keys of the event, and they stay when the last one leaves', async (t) => {
  const event = await luaEvent()
  t.match(await join(event, 'ann', 'a'), QUEUED(1))
  const missing = async () => {
    const there = await Promise.all(EVENT_KEYS.map((key) => event.redis.exists(event.keys[key])))
    return EVENT_KEYS.filter((_, i) => there[i] === 0)
  }
  t.same(await missing(), [])
  t.equal(await event.call('LEAVE', { token: 'a' }), 1)
  t.same(await missing(), [])
  t.equal(await event.redis.ttl(event.keys.line), -1, 'no part of a live event has a time to live')
})

t.test('positions count who is ahead, and ids grow with the line', async (t) => {
  const event = await luaEvent()
  const ids: [number, number][] = []
  for (let i = 1; i <= 50; i++) {
    const [status, id, position] = await join(event, `user${i % 7}`, `token${i}`)
    t.equal(status, 'QUEUED')
    t.equal(position, i)
    ids.push(String(id).split('-').map(Number) as [number, number])
  }
  for (let i = 1; i < ids.length; i++) {
    t.ok(ids[i][0] >= ids[i - 1][0] && ids[i][1] > ids[i - 1][1])
  }
  t.equal(await event.call('POS', { token: 'token30' }), 30)
  await event.call('LEAVE', { token: 'token10' })
  t.equal(await event.call('POS', { token: 'token30' }), 29)
  t.equal(await event.call('POS', { token: 'token10' }), null)
  t.equal(await event.call('POS', { token: 'nobody' }), null)
  t.same(
    ((await event.call('PEEK', { count: 3 })) as string[][]).map(([, token, user]) => [token, user]),
    [
      ['token1', 'user1'],
      ['token2', 'user2'],
      ['token3', 'user3'],
    ],
  )
  t.equal(((await event.call('PEEK')) as unknown[]).length, 1)
})

t.test('a join has an entry of its own id in the journal', async (t) => {
  const event = await luaEvent()
  const [, id] = await join(event, 'ann', 'a')
  t.same(await event.redis.xrange(event.keys.journal, '-', '+'), [
    [id, ['type', 'joined', 'token', 'a', 'user', 'ann']],
  ])
  await event.call('LEAVE', { token: 'a' })
  const [, [leftId, left]] = await event.redis.xrange(event.keys.journal, '-', '+')
  t.same(left, ['type', 'left', 'token', 'a', 'user', 'ann'])
  t.match(leftId, /-2$/)
})

t.test('an event without a journal has an empty one', async (t) => {
  const event = await luaEvent()
  t.equal(await event.call('CONFIG', {}, ['journal', 'none']), 'OK')
  await join(event, 'ann', 'a')
  await event.call('LEAVE', { token: 'a' })
  t.equal(await event.redis.xlen(event.keys.journal), 0)
  t.equal(await event.redis.exists(event.keys.journal), 1)
})

t.test('a token that waits is a duplicate, whatever the dedupe key, and learns its place', async (t) => {
  const event = await luaEvent()
  await join(event, 'ann', 'first')
  const [, id] = await join(event, 'ann', 'a')
  t.same(await join(event, 'ann', 'a'), ['DUPLICATE', id, 2])
  t.same(await join(event, 'bob', 'a', { dedupe: 'k' }), ['DUPLICATE', id, 2])
  await event.call('LEAVE', { token: 'first' })
  t.same(await join(event, 'ann', 'a'), ['DUPLICATE', id, 1])
  t.equal(fieldsOf(await event.call('STATS')).duplicates_total, 3)
})

t.test('of a hundred calls with one dedupe key at once, one joins', async (t) => {
  const event = await luaEvent()
  const replies = await Promise.all(
    Array.from({ length: 100 }, (_, i) => join(event, 'ann', `t${i}`, { dedupe: 'payment-1' })),
  )
  const [joined, ...others] = replies.sort((a) => (a[0] === 'QUEUED' ? -1 : 1))
  t.equal(joined[0], 'QUEUED')
  for (const reply of others) t.same(reply, ['DUPLICATE', joined[1], 1])
})

t.test('a dedupe key outlasts the entry it made, until its own time is over', async (t) => {
  const event = await luaEvent()
  const [, id] = await join(event, 'ann', 'a', { dedupe: 'k', ttl: 400 })
  t.same(await join(event, 'ann', 'b', { dedupe: 'k' }), ['DUPLICATE', id, 1])
  await event.call('LEAVE', { token: 'a' })
  t.same(await join(event, 'ann', 'b', { dedupe: 'k' }), ['DUPLICATE', id, null])
  await waitFor(
    'the key to be free',
    async () => (await join(event, 'ann', 'b', { dedupe: 'k' }))[0] === 'QUEUED',
  )
})

t.test('a token is its own dedupe key where it has no other, counted from the join', async (t) => {
  const event = await luaEvent()
  const started = await redisNow(event.redis)
  const [, id] = await join(event, 'ann', 'a', { ttl: 500 })
  await event.call('LEAVE', { token: 'a' })
  t.same(await join(event, 'ann', 'a'), ['DUPLICATE', id, null])
  await waitFor('the token to be free', async () => (await join(event, 'ann', 'a'))[0] === 'QUEUED')
  t.ok((await redisNow(event.redis)) - started >= 500)
})

t.test('a token that was its own dedupe key stays one, whatever it comes and goes by later', async (t) => {
  const event = await luaEvent()
  await join(event, 'ann', 'a')
  await event.call('LEAVE', { token: 'a' })
  // The second key that is remembered goes to the other generation.
  const [, id] = (await join(event, 'ann', 'a', { dedupe: 'k' })) as string[]
  await event.call('LEAVE', { token: 'a' })
  t.same(await join(event, 'ann', 'a'), ['DUPLICATE', id, null])
  await event.call('CLEANUP')
  await join(event, 'ann', 'a', { dedupe: 'l' })
  await event.call('CLEANUP', { older: 0 })
  t.match(
    fieldsOf(await event.call('STATUS', { token: 'a' })),
    { state: 'expired' },
    'the newest of its ends',
  )
  t.match(await join(event, 'ann', 'a'), ['DUPLICATE'])
})

t.test('dedupe keys and tokens are separate name spaces', async (t) => {
  const event = await luaEvent()
  t.match(await join(event, 'ann', 'a', { dedupe: 'b' }), QUEUED(1))
  t.match(await join(event, 'ann', 'b'), QUEUED(2))
  await event.call('LEAVE', { token: 'a' })
  t.match(await join(event, 'ann', 'a'), QUEUED(2), 'a token that joined with a key is not a key itself')
})

t.test('a full line and a user with enough entries are refused', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['maxlen', '3', 'max_per_user', '2'])
  await join(event, 'ann', 'a1')
  await join(event, 'ann', 'a2')
  t.same(await join(event, 'ann', 'a3'), ['LIMIT', null, null])
  t.match(await join(event, 'ann', 'a1'), ['DUPLICATE', /./, 1], 'what is there already is told first')
  t.match(await join(event, 'bob', 'b1'), QUEUED(3))
  t.same(await join(event, 'bob', 'b2'), ['FULL', null, null])
  t.same(await join(event, 'ann', 'a3'), ['LIMIT', null, null], 'LIMIT before FULL')
  await event.call('LEAVE', { token: 'a1' })
  t.match(await join(event, 'ann', 'a4'), QUEUED(3))
})

t.test('LEAVE frees the place once', async (t) => {
  const event = await luaEvent()
  t.equal(await event.call('LEAVE', { token: 'a' }), 0, 'in an event that is not there')
  t.equal(await event.redis.exists(event.keys.event), 0)
  await join(event, 'ann', 'a')
  t.equal(await event.call('LEAVE', { token: 'a' }), 1)
  t.equal(await event.call('LEAVE', { token: 'a' }), 0)
  t.same(await event.call('PEEK'), [])
})

t.test('STATUS says where a token is, and that it left', async (t) => {
  const event = await luaEvent()
  t.equal(await event.call('STATUS', { token: 'a' }), null)
  await join(event, 'bob', 'b')
  await join(event, 'ann', 'a')
  const status = fieldsOf(await event.call('STATUS', { token: 'a' }))
  t.match(status, { state: 'waiting', position: 2, total: 2, ready: 1, eta_ms: -1, expires_ms: null })
  t.ok((status.waited_ms as number) >= 0 && (status.poll_after_ms as number) > 0)
  await event.call('LEAVE', { token: 'a' })
  t.match(fieldsOf(await event.call('STATUS', { token: 'a' })), { state: 'left', position: null, total: 1 })
})

t.test('a poll of a waiting token writes nothing (invariant 12)', async (t) => {
  const event = await luaEvent()
  await join(event, 'ann', 'a')
  const before = await contentOf(event)
  await event.call('STATUS', { token: 'a' })
  await event.call('POS', { token: 'a' })
  const after = await contentOf(event)
  t.same(after, before)
})

t.test("a user's entries are listed and taken in the order they were enqueued (invariant 7)", async (t) => {
  const event = await luaEvent()
  for (let i = 1; i <= 30; i++) await join(event, i % 3 === 0 ? 'ann' : `other${i}`, `t${i}`)
  const entries = (await event.call('MESSAGES', { user: 'ann' })) as [string, string, number][]
  t.same(
    entries.map(([, token, position]) => [token, position]),
    Array.from({ length: 10 }, (_, i) => [`t${3 * i + 3}`, 3 * i + 3]),
  )
  t.same(await event.call('DEQUEUE', { user: 'ann' }), [entries[0].slice(0, 2)])
  t.same(
    await event.call('DEQUEUE', { user: 'ann', count: 500 }),
    entries.slice(1).map((entry) => entry.slice(0, 2)),
  )
  t.same(await event.call('DEQUEUE', { user: 'ann' }), [])
  t.same(await event.call('MESSAGES', { user: 'ann' }), [])
  t.match(fieldsOf(await event.call('STATS')), { waiting: 20, joined_total: 30, dequeued_total: 10 })
  t.match(fieldsOf(await event.call('STATUS', { token: 't3' })), { state: 'left' })
})

t.test('nothing but sentinels stays of a line that has emptied', async (t) => {
  const event = await luaEvent()
  for (let i = 0; i < 40; i++) await join(event, `u${i % 7}`, `t${i}`)
  for (let i = 0; i < 40; i += 3) await event.call('LEAVE', { token: `t${i}` })
  for (let i = 0; i < 7; i++) await event.call('DEQUEUE', { user: `u${i}`, count: 500 })
  const { line, users, tickets, seen } = event.keys
  const sizes = [
    event.redis.zcard(line),
    event.redis.zcard(users),
    event.redis.hlen(tickets),
    event.redis.zcard(seen),
  ]
  t.same(await Promise.all(sizes), [1, 1, 1, 1])
})

t.test('an ID gives the first result of a DEQUEUE again, and fits no other call', async (t) => {
  const event = await luaEvent()
  for (const token of ['a', 'b', 'c']) await join(event, 'ann', token)
  const first = await event.call('DEQUEUE', { user: 'ann', id: 'x' })
  t.match(first, [[/./, 'a']])
  t.same(await event.call('DEQUEUE', { user: 'ann', id: 'x' }), first)
  t.match(await event.call('DEQUEUE', { user: 'ann', id: 'x', count: 2 }), /^IDMISMATCH /)
  t.match(await event.call('DEQUEUE', { user: 'bob', id: 'x' }), /^IDMISMATCH /)
  t.match(await event.call('DEQUEUE', { user: 'ann', id: 'y' }), [[/./, 'b']])
})

t.test('a request that is sent again gets its first result, whatever happened since', async (t) => {
  const event = await luaEvent()
  const joined = await join(event, 'ann', 'a')
  const joinAgain = event.repeater()
  t.same(await joinAgain(), joined, 'while it waits')
  await join(event, 'bob', 'b')
  t.equal(await event.call('LEAVE', { token: 'a' }), 1)
  const leaveAgain = event.repeater()
  t.same(await joinAgain(), joined, 'when it has left')
  t.equal(await leaveAgain(), 1)
  t.match(await join(event, 'ann', 'a', { dedupe: 'other' }), QUEUED(2))
  t.equal(await leaveAgain(), 1)
  t.equal(await event.call('POS', { token: 'a' }), 2, 'a LEAVE that is sent again takes nothing new')

  const taken = await event.call('DEQUEUE', { user: 'bob' })
  const takeAgain = event.repeater()
  await join(event, 'bob', 'b2')
  t.same(await takeAgain(), taken)
  t.equal(await event.call('POS', { token: 'b2' }), 2)

  await join(event, 'cid', 'c', { dedupe: 'k' })
  t.match(await event.again(), ['QUEUED', /./, 3], 'with a dedupe key')
})

t.test('first results are kept for two generations of ten seconds, and then dropped whole', async (t) => {
  const event = await luaEvent()
  for (const token of ['a', 'b', 'c', 'd']) await join(event, 'ann', token)
  const tenSecondsPass = () => event.redis.hset(event.keys.event, 'replay_ends', 1)
  await event.call('LEAVE', { token: 'a' })
  const first = event.repeater()
  await event.call('LEAVE', { token: 'b' })
  const second = event.repeater()
  await tenSecondsPass()
  await event.call('LEAVE', { token: 'c' })
  await event.call('CLEANUP')
  t.same([await first(), await second()], [1, 1])
  await tenSecondsPass()
  await event.call('LEAVE', { token: 'd' })
  const last = event.repeater()
  t.same([await first(), await second(), await last()], [0, 0, 1])
  const kept = await Promise.all(
    (['replay:0', 'replay:1'] as const).map((key) => event.redis.hlen(event.keys[key])),
  )
  t.same(kept, [2, 2], 'one of c, one of d, and the sentinels')
})

t.test('a retry that was never executed runs', async (t) => {
  const event = await luaEvent()
  await join(event, 'bob', 'b')
  await event.call('LEAVE', { token: 'nobody' })
  t.equal(await event.again(), 0)
  t.equal(await event.call('POS', { token: 'b' }), 1)
})

t.test('ids are binary safe, line breaks, commas and backslashes included', async (t) => {
  const event = await luaEvent()
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const users = [
    all,
    Buffer.from('a\n1,2,3,,x'),
    Buffer.from('back\\slash\\n'),
    Buffer.from('\n'),
    randomBytes(256),
  ]
  for (const [i, user] of users.entries()) {
    t.match(
      await event.call('ENQUEUE', { user, token: Buffer.concat([Buffer.from([i]), all.subarray(1)]) }),
      QUEUED(i + 1),
    )
  }
  const front = (await event.redis.callBuffer('ZRANGE', event.keys.line, 1, -1)) as Buffer[]
  t.same(
    front,
    users.map((_, i) => Buffer.concat([Buffer.from([i]), all.subarray(1)])),
  )
  for (const [i, user] of users.entries()) {
    const entries = (await event.call('MESSAGES', { user })) as unknown[][]
    t.equal(entries.length, 1)
    t.equal(entries[0][2], i + 1)
  }
  for (const user of users) t.equal(((await event.call('DEQUEUE', { user })) as unknown[]).length, 1)
  t.equal(fieldsOf(await event.call('STATS')).waiting, 0)
})

t.test('a key of the wrong type is told in the words of Redis, and nothing is written', async (t) => {
  for (const key of ['event', 'line', 'tickets', 'users', 'journal', 'dedupe:0', 'dedupe:1'] as const) {
    for (const opened of [true, false]) {
      const event = await luaEvent()
      if (opened) {
        await join(event, 'ann', 'a')
        await event.redis.del(event.keys[key])
      }
      await event.redis.set(event.keys[key], 'of someone else')
      const content = () => contentOf(event)
      const before = await content()
      t.equal(
        await join(event, 'ann', 'b', { dedupe: 'k' }),
        'WRONGTYPE Operation against a key holding the wrong kind of value',
        `ENQUEUE with a strange ${key}, ${opened ? 'later' : 'first'}`,
      )
      t.same(await content(), before)
      if (opened) {
        t.equal(
          await event.call('LEAVE', { token: 'a' }),
          'WRONGTYPE Operation against a key holding the wrong kind of value',
          `LEAVE with a strange ${key}`,
        )
        t.same(await content(), before)
      }
    }
  }
})

t.test('an event of a later layout is left alone', async (t) => {
  const event = await luaEvent()
  await event.redis.hset(event.keys.event, 'layout', '2')
  t.match(await join(event, 'ann', 'a'), /^ERR event has layout 2/)
  t.equal(await event.redis.exists(event.keys.line), 0)
})

t.test('dedupe keys are forgotten by whole generations', async (t) => {
  const event = await luaEvent()
  const size = async () =>
    (await event.redis.hlen(event.keys['dedupe:0'])) + (await event.redis.hlen(event.keys['dedupe:1']))
  for (let i = 0; i < 100; i++) await join(event, 'ann', `a${i}`, { dedupe: `k${i}`, ttl: 50 })
  t.equal(await size(), 102)
  // As if the minute to which deadlines are rounded up had passed.
  await event.redis.hset(event.keys.event, 'dedupe_ends0', 1)
  await join(event, 'ann', 'b1', { dedupe: 'l1' })
  await event.redis.hset(event.keys.event, 'dedupe_ends1', 1)
  await join(event, 'ann', 'b2', { dedupe: 'l2' })
  t.ok((await size()) <= 4)
  t.match(await join(event, 'ann', 'b3', { dedupe: 'l1' }), ['DUPLICATE'])
  t.match(await join(event, 'ann', 'b3', { dedupe: 'l2' }), ['DUPLICATE'])
})

t.test('a waiting user takes less than 400 bytes, all keys counted', async (t) => {
  const redis = await luaRedis()
  const event = await luaEvent()
  const count = 20_000
  for (let i = 0; i < count; i += 500) {
    await Promise.all(
      Array.from({ length: 500 }, (_, k) => join(event, `u${1_000_000 + i + k}`, randomUUID())),
    )
  }
  let bytes = 0
  for (const key of EVENT_KEYS) bytes += Number(await redis.memory('USAGE', event.keys[key], 'SAMPLES', 0))
  t.comment(`${(bytes / count).toFixed(1)} bytes per waiting user`)
  t.ok(bytes / count < 400)
  await redis.unlink(...EVENT_KEYS.map((key) => event.keys[key]))
})

t.test(
  'a clock that a failover leaves ahead is waited out for five seconds and no longer (invariant 4)',
  async (t) => {
    const event = await luaEvent()
    await event.call('STOCK', { count: 9 })
    const expiresIn = async () => {
      const [, , , expires] = (await event.call('HOLD', {
        user: 'ann',
        quantity: 1,
        ttl: 10_000,
      })) as number[]
      return expires - (await redisNow(event.redis))
    }
    await event.redis.hset(event.keys.event, 'clock', (await redisNow(event.redis)) + 3000)
    const [, first] = (await join(event, 'ann', 'a')) as string[]
    t.ok((await expiresIn()) > 12_000, 'a deadline never moves back a little')
    const ahead = (await redisNow(event.redis)) + 3_600_000
    await event.redis.hset(event.keys.event, 'clock', ahead)
    t.ok((await expiresIn()) <= 10_000, 'nothing stands still for an hour')
    const [, second] = (await join(event, 'ann', 'b')) as string[]
    const [, third] = (await join(event, 'ann', 'c')) as string[]
    const numbers = [first, second, third].map((id) => id.split('-').map(Number))
    t.equal(numbers[1][0], ahead, 'ids never go back')
    t.ok(numbers[1][1] > numbers[0][1] && numbers[2][1] > numbers[1][1])
    const status = fieldsOf(await event.call('STATUS', { token: 'b' }))
    t.ok((status.waited_ms as number) >= 0)
  },
)

t.test('ids stay exact past the numbers that Lua prints with an exponent (invariant 3)', async (t) => {
  const event = await luaEvent()
  await join(event, 'ann', 'a')
  await event.redis.hset(event.keys.event, 'seq', '123456789012344')
  t.match(await join(event, 'ann', 'b'), ['QUEUED', /-123456789012345$/, 2])
  t.match(await join(event, 'ann', 'c'), ['QUEUED', /-123456789012346$/, 3])
  t.match(await event.call('MESSAGES', { user: 'ann' }), [
    [/-1$/, 'a', 1],
    [/-123456789012345$/, 'b', 2],
    [/-123456789012346$/, 'c', 3],
  ])
  t.equal(await event.call('LEAVE', { token: 'b' }), 1)
  t.match(await event.call('DEQUEUE', { user: 'ann', count: 9 }), [
    [/-1$/, 'a'],
    [/-123456789012346$/, 'c'],
  ])
})

t.test('users whose hashes meet keep their own entries', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['max_per_user', '3'])
  await join(event, 'ann', 'a1')
  const score = String(
    ((await event.redis.call('ZRANGE', event.keys.users, 1, 1, 'WITHSCORES')) as unknown[]).flat()[1],
  )
  // Entries of others between ann's, under ann's score.
  for (let i = 0; i < 5; i++) await join(event, `other${i}`, `o${i}`)
  for (const member of (await event.redis.callBuffer('ZRANGE', event.keys.users, 1, -1)) as Buffer[]) {
    await event.redis.call('ZADD', event.keys.users, score, member)
  }
  t.match(await join(event, 'ann', 'a2'), ['QUEUED'], 'theirs do not count towards hers')
  await join(event, 'ann', 'a3')
  t.match(await join(event, 'ann', 'a4'), ['LIMIT'])
  t.match(await event.call('MESSAGES', { user: 'ann' }), [
    [/./, 'a1', 1],
    [/./, 'a2', 7],
    [/./, 'a3', 8],
  ])
  t.match(await event.call('DEQUEUE', { user: 'ann', count: 2 }), [
    [/./, 'a1'],
    [/./, 'a2'],
  ])
  t.equal(await event.call('POS', { token: 'o0' }), 1)
})
