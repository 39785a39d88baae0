// Events end for good, are cleaned up, purged, taken over from older queues, and free memory when there is none.

import { Redis } from 'ioredis'
import t from 'tap'
import { EVENT_KEYS } from '../../src/commands/spec.ts'
import { loadScripts } from '../../src/upstream/scripts.ts'
import { ownRedis, waitFor } from '../fixtures/cluster.ts'
import {
  contentOf,
  fieldsOf,
  isJournalWhole,
  type LuaEvent,
  luaEvent,
  redisNow,
} from '../fixtures/lua-event.ts'

const join = (event: LuaEvent, user: string, token: string, places = {}) =>
  event.call('ENQUEUE', { user, token, ...places }) as Promise<unknown[]>

async function there(event: LuaEvent): Promise<string[]> {
  const found = await Promise.all(EVENT_KEYS.map((key) => event.redis.exists(event.keys[key])))
  return EVENT_KEYS.filter((_, i) => found[i] === 1)
}

t.test('a closed event takes no joins, entries or holds, and its data runs out (invariant 9)', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['retain_ms', '60000', 'admit', 'manual'])
  await event.call('STOCK', { count: 5 })
  for (const token of ['a', 'b', 'c']) await join(event, token, token)
  const [[, , inside]] = (await event.call('ADMIT')) as string[][]
  t.match(await event.call('VERIFY', { pass: inside }), ['VALID'])
  const [[, , unclaimed]] = (await event.call('ADMIT')) as string[][]
  await event.call('HOLD', { user: 'a', quantity: 2 })
  t.equal(await event.call('CLOSE'), 'OK')
  t.equal(await event.call('CLOSE'), 'OK')
  t.same(await join(event, 'd', 'd'), ['CLOSED', null, null])
  t.match(await join(event, 'c', 'c'), ['DUPLICATE'])
  t.same(await event.call('ENTER', { token: 'c' }), ['CLOSED', null, null])
  t.same(await event.call('ENTER', { token: 'b' }), ['CLOSED', null, null])
  t.same(await event.call('ENTER', { token: 'nobody' }), ['CLOSED', null, null])
  t.match(await event.call('ENTER', { token: 'a' }), ['ADMITTED'], 'who is inside stays inside')
  t.same(await event.call('VERIFY', { pass: unclaimed }), ['REVOKED', null, null])
  t.same(await event.call('ADMIT', { force: '1' }), [])
  t.same(await event.call('HOLD', { user: 'c', quantity: 1 }), ['CLOSED', 3, null, null, null])
  t.same(await event.call('CONFIRM', { user: 'a', quantity: 2 }), ['SOLD', 3, 2], 'what is held can be paid')
  for (const key of EVENT_KEYS) {
    const ttl = await event.redis.pttl(event.keys[key])
    if (key === 'event') t.ok(ttl > 60_000, 'the mark outlives the data')
    else t.ok(ttl > 50_000 && ttl <= 60_000, key)
  }
})

t.test('what is made anew in a closed event has the deadline of the rest', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['retain_ms', '60000'])
  await join(event, 'a', 'a', { dedupe: 'k', ttl: 1000 })
  await join(event, 'b', 'b', { dedupe: 'l', ttl: 1000 })
  await event.call('CLOSE')
  await event.redis.hset(event.keys.event, 'dedupe_ends0', 1, 'dedupe_ends1', 1, 'replay_ends', 1)
  await event.call('LEAVE', { token: 'a' })
  await event.redis.hset(event.keys.event, 'dedupe_ends0', 1, 'dedupe_ends1', 1, 'replay_ends', 1)
  await event.call('LEAVE', { token: 'b' })
  for (const key of ['dedupe:0', 'dedupe:1', 'replay:0', 'replay:1'] as const) {
    const ttl = await event.redis.pttl(event.keys[key])
    t.ok(ttl > 0 && ttl <= 60_000, `${key} has ${ttl} ms`)
  }
})

t.test('when the data of a closed event is gone, nothing but the mark is ever there', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['retain_ms', '1000'])
  await event.call('STOCK', {}, ['A1'])
  await join(event, 'a', 'a')
  await event.call('CLOSE')
  await waitFor('the data to run out', async () => (await there(event)).length === 1)
  t.same(await join(event, 'a', 'a'), ['CLOSED', null, null])
  t.same(await event.call('ENTER', { token: 'a' }), ['CLOSED', null, null])
  t.equal(await event.call('LEAVE', { token: 'a' }), 0)
  t.same(await event.call('DEQUEUE', { user: 'a', id: 'x' }), [])
  t.same(await event.call('ADMIT', { id: 'x' }), [])
  t.same(await event.call('HOLD', { user: 'a', id: 'x' }, ['A1']), ['CLOSED', 0, null, null, null])
  t.same(await event.call('RELEASE', { user: 'a', id: 'x' }, ['A1']), ['RELEASED', 0, 0])
  t.same(await event.call('CONFIRM', { user: 'a', id: 'x' }, ['A1']), ['HOLD_EXPIRED', 0, 0])
  t.same(await event.call('CANCEL', { user: 'a', id: 'x' }, ['A1']), ['RELEASED', 0, 0])
  t.match(await event.call('EXTEND', { user: 'a', ttl: 1000 }, ['A1']), ['HOLD_EXPIRED', 0])
  t.match(await event.call('STOCK', {}, ['A1']), /^ERR event is closed/)
  t.same(await event.call('UNSTOCK', {}, ['A1']), ['UNSTOCKED', 0, 0])
  t.same(await event.call('CLEANUP'), [0, 0, 0, 0])
  t.match(await event.call('MIGRATE'), /^ERR event is closed/)
  t.same(await there(event), ['event'])
})

t.test('PURGE deletes an event at once or key by key, and a mark of CLOSE stays', async (t) => {
  const event = await luaEvent()
  t.same(await event.call('PURGE'), [0, 0])
  await join(event, 'a', 'a')
  t.same(await event.call('PURGE'), [0, 15])
  t.same(await there(event), [])
  t.match(await join(event, 'a', 'a'), ['QUEUED', /-1$/, 1], 'as if it had never been')

  t.same(await event.call('PURGE', { limit: 10 }), [5, 10])
  t.same(await join(event, 'b', 'b'), ['CLOSED', null, null], 'nobody joins half an event')
  t.same(await event.call('PURGE', { limit: 10 }), [0, 5])
  t.same(await there(event), [])

  await join(event, 'a', 'a')
  await event.call('CLOSE')
  t.same(await event.call('PURGE'), [0, 14])
  t.same(await there(event), ['event'])
  t.same(await join(event, 'a', 'a'), ['CLOSED', null, null])
})

t.test('CLEANUP drops what ran out and changes no answer (invariant 10)', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['pass_ttl_ms', '50', 'admit', 'manual'])
  await event.call('STOCK', {}, ['A1', 'A2'])
  await event.call('STOCK', { count: 9 })
  for (const token of ['a', 'b', 'c', 'd']) await join(event, token, token)
  const [[, , pass]] = (await event.call('ADMIT', { count: 2 })) as string[][]
  await event.call('HOLD', { user: 'a', ttl: 50 }, ['A1'])
  await event.call('HOLD', { user: 'a', ttl: 50, quantity: 3 })
  await event.call('HOLD', { user: 'a', ttl: 60_000 }, ['A2'])
  const answers = async () => [
    await event.call('VERIFY', { pass }),
    await event.call('ENTER', { token: 'a' }),
    fieldsOf(await event.call('STATUS', { token: 'a' })),
    await event.call('RELEASE', { user: 'a' }, ['A1']),
    await event.call('CONFIRM', { user: 'a' }, ['A1']),
    await event.call('HOLDS', { user: 'a' }),
    await event.call('SEATMAP'),
    await event.call('STATS').then((stats) => {
      const { oldest_wait_ms: _, expired_total: __, ...rest } = fieldsOf(stats)
      return { ...rest, rate: 0, eta_ms: 0 }
    }),
  ]
  await waitFor('all to run out', async () => {
    const stats = fieldsOf(await event.call('STATS'))
    return stats.admitted === 0 && stats.seats_held === 1
  })
  const before = await answers()
  t.same(await event.call('CLEANUP', { limit: 1 }), [1, 0, 1, 1])
  t.ok(await isJournalWhole(event))
  t.same(await event.call('CLEANUP'), [0, 0, 1, 3])
  t.same(await event.call('CLEANUP'), [0, 0, 0, 0])
  t.same(await answers(), before)
  t.equal(await event.redis.zcard(event.keys.admitted), 1)
  t.equal(await event.redis.zcard(event.keys.holds), 2)
  t.match(fieldsOf(await event.call('STATS')), { expired_total: 2, waiting: 2 })

  t.same(await event.call('CLEANUP', { older: 60_000 }), [0, 0, 0, 0])
  await waitFor('a moment to pass', async () => {
    const status = fieldsOf(await event.call('STATUS', { token: 'd' }))
    return (status.waited_ms as number) > 20
  })
  t.same(await event.call('CLEANUP', { older: 10, limit: 1 }), [1, 1, 0, 0])
  t.equal(await event.call('POS', { token: 'd' }), 1)
  t.match(fieldsOf(await event.call('STATUS', { token: 'c' })), { state: 'expired' })
})

t.test('CLEANUP trims the journal by time', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['retain_ms', '1000'])
  for (let i = 0; i < 300; i++) await join(event, 'a', `a${i}`)
  const full = await event.redis.xlen(event.keys.journal)
  const last = await redisNow(event.redis)
  await waitFor('the entries to be old', async () => (await redisNow(event.redis)) > last + 1000)
  await event.call('CLEANUP')
  t.ok((await event.redis.xlen(event.keys.journal)) < full / 2, 'whole nodes of a hundred entries go')
  t.match(await join(event, 'a', 'later'), ['QUEUED'])
})

t.test('joins and holds keep the journal to its time by themselves', async (t) => {
  const patterns: Record<string, (event: LuaEvent, i: number) => Promise<unknown>> = {
    joins: (event, i) => join(event, 'a', `later${i}`),
    'a join and a leave in turn': async (event, i) => {
      await join(event, 'a', `later${i}`)
      await event.call('LEAVE', { token: `later${i}` })
    },
    'holds by number': (event) => event.call('HOLD', { user: 'a', quantity: 1, ttl: 1 }),
  }
  for (const [name, act] of Object.entries(patterns)) {
    const event = await luaEvent()
    await event.call('CONFIG', {}, ['retain_ms', '1000'])
    await event.call('STOCK', { count: 1_000_000 })
    // An odd number, so that in turn with leaves all later joins have odd numbers.
    for (let i = 0; i < 301; i++) await join(event, 'a', `a${i}`)
    const [[first]] = await event.redis.xrange(event.keys.journal, '-', '+', 'COUNT', 1)
    const last = await redisNow(event.redis)
    await waitFor('the entries to be old', async () => (await redisNow(event.redis)) > last + 1000)
    let calls = 0
    await waitFor(`${name} to trim`, async () => {
      await act(event, calls++)
      const [[oldest]] = await event.redis.xrange(event.keys.journal, '-', '+', 'COUNT', 1)
      return oldest !== first
    })
    t.ok(calls < 2000, `${name}: ${calls} calls`)
    t.ok((await event.redis.xlen(event.keys.journal)) < 2 * calls + 150, name)
  }
})

t.test('an older queue is taken over in its order, before all who joined here', async (t) => {
  const event = await luaEvent()
  const legacy = event.keys.event.replace(/^tq:(\{.*\}):event$/, 'queue:event:$1')
  await join(event, 'new1', 'n1')
  await join(event, 'both', 'both')
  const start = (await redisNow(event.redis)) - 3_600_000
  for (let i = 0; i < 25; i++)
    await event.redis.zadd(legacy, start + Math.floor(i / 3), `old${String(i).padStart(2, '0')}`)
  await event.redis.zadd(legacy, start, 'both')
  t.same(await event.call('MIGRATE', { dryrun: '1' }), [26, 25, 1])
  t.equal(await event.redis.zcard(legacy), 26)
  t.same(await event.call('MIGRATE', { limit: 10 }), [16, 9, 1])
  t.ok(await isJournalWhole(event))
  t.same(await event.again(), [16, 9, 1], 'a request that is sent again moves nothing more')
  await join(event, 'new2', 'n2')
  await event.redis.zadd(legacy, Date.now(), 'late')
  t.same(await event.call('MIGRATE', { limit: 500 }), [0, 17, 0])
  t.same(await event.call('MIGRATE'), [0, 0, 0])
  const order = (await event.call('PEEK', { count: 100 })) as [string, string, string][]
  t.same(
    order.map(([, token]) => token),
    [...Array.from({ length: 25 }, (_, i) => `old${String(i).padStart(2, '0')}`), 'late', 'n1', 'both', 'n2'],
  )
  t.equal(order[0][2], 'old00', 'the token stands for the user')
  const ids = order.map(([id]) => id.split('-').map(Number))
  for (let i = 1; i < ids.length; i++) {
    t.ok(ids[i][0] > ids[i - 1][0] || (ids[i][0] === ids[i - 1][0] && ids[i][1] > ids[i - 1][1]), order[i][0])
  }
  t.equal(await event.call('POS', { token: 'old07' }), 8)
  t.match(await event.call('MESSAGES', { user: 'old07' }), [[/./, 'old07', 8]])
  t.match(await event.call('ENTER', { token: 'old00' }), ['ADMITTED'])
  t.match(fieldsOf(await event.call('STATS')), { joined_total: 29, migrated_total: 26 })
  t.equal(await event.redis.exists(legacy), 0)
})

t.test('an older queue begins an event that was not there', async (t) => {
  const event = await luaEvent()
  const legacy = `other:${event.keys.event}`
  await event.redis.zadd(legacy, 2, 'b', 1, 'a', 2, 'c')
  t.same(await event.call('MIGRATE', { legacy }), [0, 3, 0])
  t.same((await there(event)).length, EVENT_KEYS.length)
  t.equal(await event.call('POS', { token: 'c' }), 3)
  t.match(await join(event, 'd', 'd'), ['QUEUED', /./, 4])
  t.equal(await event.call('LEAVE', { token: 'a' }), 1)
  t.match(await event.call('DEQUEUE', { user: 'b' }), [[/^2-2$/, 'b']])
})

t.test('a new event gets the journal that its proxy gives', async (t) => {
  const event = await luaEvent()
  t.match(await join(event, 'ann', 'a', { layout: 'user' }), /^NEEDSTREAM /)
  t.same(await there(event), [], 'said before anything was written')
  event.nameStreams()
  await join(event, 'ann', 'a', { layout: 'user' })
  await join(event, 'ann', 'b')
  const stream = event.keys.event.replace(/^tq:(\{.*\}):event$/, 'stream:event:$1:user:ann')
  const entries = await event.redis.xrange(stream, '-', '+')
  const name = /\{(.*)\}/.exec(event.keys.event)![1]
  t.match(
    entries.map(([, fields]) => fields),
    [
      ['token', 'a', 'event_id', name, 'user_id', 'ann', 'timestamp', /^\d{13}$/],
      ['token', 'b', 'event_id', name, 'user_id', 'ann', 'timestamp', /^\d{13}$/],
    ],
  )
  t.same(
    entries.map(([entry]) => entry),
    ((await event.call('MESSAGES', { user: 'ann' })) as string[][]).map(([entry]) => entry),
  )
  t.match(fieldsOf(await event.call('CONFIG', { layout: 'none' })), { journal: 'user' })
  const other = await luaEvent()
  t.match(fieldsOf(await other.call('CONFIG', { layout: 'none' })), { journal: 'none' })
  await join(other, 'ann', 'a', { layout: 'none' })
  t.equal(await other.redis.xlen(other.keys.journal), 0)
})

t.test('with the memory full, what frees works and what takes is refused (invariant 11)', async (t) => {
  const own = await ownRedis(t, { config: ['maxmemory-policy noeviction'] })
  const [host, port] = own.address.split(':')
  const redis = new Redis({ host, port: Number(port) })
  t.teardown(() => redis.disconnect())
  for (const script of loadScripts().values()) await redis.script('LOAD', script.body)
  const event = await luaEvent(redis)
  await event.call('CONFIG', {}, ['admit', 'manual', 'pass_ttl_ms', '10'])
  await event.call('STOCK', {}, ['A1', 'A2', 'A3'])
  await event.call('STOCK', { count: 50 })
  for (let i = 0; i < 60; i++) await join(event, `u${i % 5}`, `t${i}`)
  await event.call('ADMIT', { count: 5 })
  await event.call('CONFIG', {}, ['pass_ttl_ms', '60000'])
  await event.call('ADMIT', { count: 5 })
  await event.call('HOLD', { user: 'ann' }, ['A1', 'A2'])
  await event.call('HOLD', { user: 'ann', quantity: 8 })
  await event.call('HOLD', { user: 'bob', quantity: 8, ttl: 10 })
  await event.call('CONFIG', {}, ['idle_ms', '60000'])
  await redis.config('SET', 'maxmemory', '1')
  t.match(await event.call('TOUCH', {}, ['t30']), /^OOM /)
  t.match(fieldsOf(await event.call('STATUS', { token: 't30' })), { state: 'waiting' }, 'a poll is answered')
  t.match(await event.call('ENTER', { token: 't30' }), ['WAITING'])
  t.match(await join(event, 'ann', 'new'), /^OOM /)
  t.match(await event.call('HOLD', { user: 'bob' }, ['A3']), /^OOM /)
  t.equal(await event.call('LEAVE', { token: 't20' }), 1)
  t.match(await event.call('DEQUEUE', { user: 'u1', count: 3 }), [/./, /./, /./])
  t.equal(await event.call('DONE', { token: 't7' }), 1)
  t.match(await event.call('RELEASE', { user: 'ann' }, ['A1']), ['RELEASED', 2, 1])
  t.match(await event.call('RELEASE', { user: 'ann', quantity: 3 }), ['RELEASED', Number, 3])
  t.match(await event.call('CONFIRM', { user: 'ann' }, ['A2']), ['SOLD', 2, 1])
  let [passes, holds] = [0, 0]
  await waitFor('passes and holds to run out', async () => {
    const dropped = (await event.call('CLEANUP')) as number[]
    t.equal(dropped.length, 4)
    passes += dropped[2]
    holds += dropped[3]
    return passes === 5 && holds === 8
  })
  t.match(await join(event, 'ann', 'new'), /^OOM /, 'it is still full')
  t.same(await event.call('PURGE'), [0, 15])
})

t.test(
  'a key of the wrong type is told in the words of Redis by every script, and nothing is written (invariant 1)',
  async (t) => {
    const calls: [string, Record<string, string | number>, string[]?][] = [
      ['ENQUEUE', { user: 'x', token: 'x', dedupe: 'y' }],
      ['LEAVE', { token: 't4' }],
      ['DEQUEUE', { user: 'u4', id: 'x' }],
      ['ADMIT', { count: 2, id: 'x' }],
      ['ENTER', { token: 't1' }],
      ['ENTER', { token: 't5' }],
      ['VERIFY', {}],
      ['DONE', { token: 't1' }],
      ['TOUCH', {}, ['t3']],
      ['STATUS', { token: 't3' }],
      ['STOCK', {}, ['A9']],
      ['STOCK', { count: 20 }],
      ['STOCK', { section: 's', count: 20 }],
      ['HOLD', { user: 'x', id: 'x' }, ['A3']],
      ['HOLD', { user: 'x', quantity: 2, id: 'x' }],
      ['EXTEND', { user: 'ann', ttl: 900_000 }, ['A1']],
      ['RELEASE', { user: 'ann', id: 'x' }, ['A1']],
      ['RELEASE', { user: 'ann', quantity: 1, id: 'x' }],
      ['CONFIRM', { user: 'ann', id: 'x' }, ['A1']],
      ['CONFIRM', { user: 'ann', quantity: 1, id: 'x' }],
      ['CANCEL', { user: 'ann', id: 'x' }, ['A2']],
      ['UNSTOCK', {}, ['A4']],
      ['PAUSE', {}],
      ['CONFIG', {}, ['maxlen', '5']],
      ['CLEANUP', { older: 0 }],
      ['MIGRATE', {}],
    ]
    for (const [command, places, tail] of calls) {
      for (const key of EVENT_KEYS) {
        const event = await luaEvent()
        await event.call('CONFIG', {}, ['idle_ms', '60000', 'admit', command === 'ENTER' ? 'auto' : 'manual'])
        await event.call('STOCK', {}, ['A1', 'A2', 'A3', 'A4'])
        await event.call('STOCK', { count: 10 })
        for (let i = 1; i <= 5; i++) await join(event, `u${i}`, `t${i}`)
        const [[, , pass]] = (await event.call('ADMIT', { count: 2 })) as string[][]
        await event.call('HOLD', { user: 'ann' }, ['A1', 'A2'])
        await event.call('CONFIRM', { user: 'ann' }, ['A2'])
        await event.call('HOLD', { user: 'ann', quantity: 3 })
        const legacy = event.keys.event.replace(/^tq:(\{.*\}):event$/, 'queue:event:$1')
        await event.redis.zadd(legacy, 1, 'old')
        await event.redis.del(event.keys[key])
        await event.redis.set(event.keys[key], 'of someone else')
        const content = () => contentOf(event, legacy)
        const before = await content()
        const reply = await event.call(command, command === 'VERIFY' ? { pass } : places, tail)
        if (typeof reply === 'string' && reply !== 'OK') {
          t.equal(
            reply,
            'WRONGTYPE Operation against a key holding the wrong kind of value',
            `${command} with a strange ${key}`,
          )
          t.same(await content(), before, `${command} with a strange ${key} has written something`)
        }
      }
    }
  },
)
