// People go in from the front, as fast as the rate and as many as the places allow, and each has one pass.

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

type Entered = [string, string | number | null, number | null]
type Admitted = [string, string, string, number][]

async function lineOf(count: number, ...settings: string[]): Promise<LuaEvent> {
  const event = await luaEvent()
  if (settings.length > 0) t.equal(await event.call('CONFIG', {}, settings), 'OK')
  for (let i = 1; i <= count; i++) await event.call('ENQUEUE', { user: `u${i}`, token: `t${i}` })
  return event
}

const enter = (event: LuaEvent, token: string, places: Places = {}) =>
  event.call('ENTER', { token, ...places }) as Promise<Entered>
const stateOf = async (event: LuaEvent, token: string) => {
  const status = await event.call('STATUS', { token })
  return status === null ? null : fieldsOf(status).state
}
const statsOf = async (event: LuaEvent) => fieldsOf(await event.call('STATS')) as Record<string, number>

t.test('without rate and capacity everybody goes in at once, whoever calls', async (t) => {
  const event = await lineOf(5)
  const [status, pass, expires] = await enter(event, 't3')
  t.match([status, pass, expires], ['ADMITTED', /^[0-9a-f]{32}$/, null])
  t.same(await enter(event, 't3'), ['ADMITTED', pass, null], 'asking again returns the same pass')
  t.match(await statsOf(event), { waiting: 0, admitted: 4, inside: 1, admitted_total: 5, joined_total: 5 })
  t.equal(await stateOf(event, 't3'), 'inside')
  t.equal(await stateOf(event, 't5'), 'admitted')
  t.same(await enter(event, 'nobody'), ['UNKNOWN', null, null])
})

t.test('every pass is another one', async (t) => {
  const event = await lineOf(100)
  const admitted = (await event.call('ADMIT', { count: 100 })) as Admitted
  t.equal(new Set(admitted.map(([, , pass]) => pass)).size, 100)
  t.same(
    admitted.map(([token, user]) => [token, user]),
    Array.from({ length: 100 }, (_, i) => [`t${i + 1}`, `u${i + 1}`]),
  )
})

t.test('the rate lets a burst in, then one by one, in line order', async (t) => {
  const event = await lineOf(6, 'rate', '5', 'burst', '2')
  const started = await redisNow(event.redis)
  t.match(await enter(event, 't6'), ['WAITING', 4, Number], 'two went in')
  t.equal(await stateOf(event, 't2'), 'admitted')
  t.equal(await stateOf(event, 't3'), 'waiting')
  t.match(await enter(event, 't6'), ['WAITING', 4, Number], 'a second poll spends nothing')
  await waitFor('the last to go in', async () => (await enter(event, 't6'))[0] === 'ADMITTED')
  const elapsed = (await redisNow(event.redis)) - started
  t.ok(elapsed >= 790, `four more take 800 ms at 5 a second, and took ${elapsed}`)
  t.ok(elapsed < 3000)
})

t.test('a fraction of a person a second is a rate', async (t) => {
  const event = await lineOf(3, 'rate', '0.5')
  t.match(await enter(event, 't1'), ['ADMITTED'])
  const status = fieldsOf(await event.call('STATUS', { token: 't2' }))
  t.match(status, { state: 'waiting', position: 1, eta_ms: 2000, ready: 0 })
})

t.test(
  'capacity counts who has a pass and who is inside, until they are done or their time is over',
  async (t) => {
    const event = await lineOf(6, 'capacity', '2', 'pass_ttl_ms', '200')
    t.match(await enter(event, 't1'), ['ADMITTED'])
    t.match(
      await enter(event, 't3'),
      ['WAITING', 1, Number],
      'the second place is that of t2, who has a pass',
    )
    t.equal(await event.call('DONE', { token: 't1' }), 1)
    t.equal(await event.call('DONE', { token: 't1' }), 0)
    t.match(await enter(event, 't3'), ['ADMITTED'])
    t.match(await enter(event, 't4'), ['WAITING', 1, Number])
    await waitFor("t2's pass to run out", async () => (await enter(event, 't4'))[0] === 'ADMITTED')
    t.same(await enter(event, 't2'), ['EXPIRED', null, null])
    t.equal(await stateOf(event, 't2'), 'expired')
    t.equal(await stateOf(event, 't1'), 'left')
    t.equal(await event.call('DONE', { token: 't2' }), 0)
    t.match(await enter(event, 't5'), ['WAITING', 1, Number])
  },
)

t.test('stay_ms ends a stay', async (t) => {
  const event = await lineOf(2, 'capacity', '1', 'stay_ms', '150')
  const [, pass, expires] = await enter(event, 't1')
  t.ok((expires as number) > 0)
  const [, , ttl] = (await event.call('VERIFY', { pass: pass as string })) as [string, string, number]
  t.ok(ttl > 0 && ttl <= 150)
  await waitFor('the place to be free', async () => (await enter(event, 't2'))[0] === 'ADMITTED')
  t.same(await event.call('VERIFY', { pass: pass as string }), ['EXPIRED', null, null])
})

t.test('a pass is good for its owner until it ends, and showing it counts as going in', async (t) => {
  const event = await lineOf(3, 'admit', 'manual', 'pass_ttl_ms', '60000')
  t.match(await enter(event, 't1'), ['WAITING', 1, Number], 'nobody is let in by ENTER')
  const [[token, user, pass, expires]] = (await event.call('ADMIT')) as Admitted
  t.same([token, user], ['t1', 'u1'])
  const now = await redisNow(event.redis)
  t.ok(expires > now + 55_000 && expires <= now + 60_000)
  t.equal(await stateOf(event, 't1'), 'admitted')
  t.same(await event.call('VERIFY', { pass }), ['VALID', 'u1', -1])
  t.equal(await stateOf(event, 't1'), 'inside')
  t.same(await enter(event, 't1'), ['ADMITTED', pass, null])
  t.same(await event.call('VERIFY', { pass: 'made-up' }), ['INVALID', null, null])
  await event.call('DONE', { token: 't1' })
  t.same(await event.call('VERIFY', { pass }), ['REVOKED', null, null])
  t.same(await enter(event, 't1'), ['UNKNOWN', null, null])
})

t.test('an ENTER whose pass gets signed tells the user besides', async (t) => {
  const event = await lineOf(1)
  t.match(await enter(event, 't1', { signed: '1' }), ['ADMITTED', /./, null, 'u1'])
})

t.test('ADMIT lets in no more than rate and capacity allow, unless forced', async (t) => {
  const event = await lineOf(10, 'capacity', '3', 'rate', '0.01', 'burst', '5')
  t.equal(((await event.call('ADMIT', { count: 9 })) as Admitted).length, 3)
  t.same(await event.call('ADMIT', { count: 9 }), [])
  t.equal(((await event.call('ADMIT', { count: 4, force: '1' })) as Admitted).length, 4)
  for (const token of ['t1', 't2', 't3', 't4', 't5', 't6', 't7']) await event.call('DONE', { token })
  t.equal(
    ((await event.call('ADMIT', { count: 9 })) as Admitted).length,
    2,
    'what was forced left the bucket alone',
  )
})

t.test('an ADMIT that is sent again lets nobody in a second time', async (t) => {
  const event = await lineOf(9)
  const first = await event.call('ADMIT', { count: 2 })
  t.same(await event.again(), first)
  const second = await event.call('ADMIT', { count: 2, id: 'job-7' })
  t.same(await event.call('ADMIT', { count: 2, id: 'job-7' }), second)
  t.match(await event.call('ADMIT', { count: 3, id: 'job-7' }), /^IDMISMATCH /)
  t.match(await statsOf(event), { waiting: 5, admitted: 4 })
})

t.test('a paused event lets nobody in, or takes nobody on, or neither', async (t) => {
  const event = await lineOf(2)
  t.equal(await event.call('PAUSE', { direction: 'OUT' }), 'OK')
  t.same(await enter(event, 't1'), ['PAUSED', 1, null])
  t.same(await event.call('ADMIT', { force: '1' }), [])
  t.match(await event.call('ENQUEUE', { user: 'u3', token: 't3' }), ['QUEUED'])
  await event.call('PAUSE', { direction: 'IN' })
  t.same(await event.call('ENQUEUE', { user: 'u4', token: 't4' }), ['PAUSED', null, null])
  t.match(await enter(event, 't1'), ['ADMITTED'])
  await event.call('PAUSE')
  t.same(await event.call('ENQUEUE', { user: 'u4', token: 't4' }), ['PAUSED', null, null])
  t.match(await enter(event, 't2'), ['ADMITTED'], 'who was let in before goes in')
  t.equal(await event.call('RESUME'), 'OK')
  t.match(await event.call('ENQUEUE', { user: 'u4', token: 't4' }), ['QUEUED'])
  const fresh = await luaEvent()
  t.equal(await fresh.call('RESUME'), 'OK')
  t.equal(await fresh.redis.exists(fresh.keys.event), 0)
})

t.test('nobody goes in before the event opens', async (t) => {
  const event = await lineOf(1)
  const opens = (await redisNow(event.redis)) + 300
  await event.call('CONFIG', {}, ['opens_at_ms', String(opens)])
  t.match(await enter(event, 't1'), ['WAITING', 1, Number])
  t.same(await event.call('ADMIT', { force: '1' }), [])
  t.equal(fieldsOf(await event.call('STATUS', { token: 't1' })).ready, 0)
  await waitFor('the event to open', async () => (await enter(event, 't1'))[0] === 'ADMITTED')
  t.ok((await redisNow(event.redis)) >= opens)
})

t.test(
  'who was not heard of for idle_ms is passed over, and the others keep their order (invariant 7)',
  async (t) => {
    const event = await lineOf(5, 'idle_ms', '300', 'admit', 'manual')
    await waitFor('all but two to be absent', async () => {
      await event.call('TOUCH', {}, ['t2', 'nobody'])
      const waited = fieldsOf(await event.call('STATUS', { token: 't5' })).waited_ms as number
      return waited > 400
    })
    const admitted = (await event.call('ADMIT', { count: 9 })) as Admitted
    t.same(
      admitted.map(([token]) => token),
      ['t2', 't5'],
    )
    t.equal(await stateOf(event, 't1'), 'expired')
    t.same(await enter(event, 't1'), ['EXPIRED', null, null])
    t.match(await statsOf(event), { waiting: 0, admitted: 2, expired_total: 3, joined_total: 5 })
  },
)

t.test('TOUCH counts who waits, and writes only where somebody looks at it', async (t) => {
  const event = await lineOf(3)
  t.equal(await event.call('TOUCH', {}, ['t1', 'nobody', 't3']), 2)
  t.equal(await event.redis.zcard(event.keys.seen), 1, 'the sentinel alone')
  await event.call('CONFIG', {}, ['idle_ms', '60000'])
  t.equal(await event.call('TOUCH', {}, ['t1', 'nobody', 't3']), 2)
  t.equal(await event.redis.zcard(event.keys.seen), 3)
  await event.call('LEAVE', { token: 't1' })
  t.equal(await event.redis.zcard(event.keys.seen), 2)
})

t.test('a token joins again when its pass ran out and its dedupe time is over', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['pass_ttl_ms', '100'])
  await event.call('ENQUEUE', { user: 'ann', token: 'a', dedupe: 'k1' })
  const [[, , pass]] = (await event.call('ADMIT')) as Admitted
  t.match(await event.call('ENQUEUE', { user: 'ann', token: 'a', dedupe: 'k2' }), ['DUPLICATE', /./, null])
  await waitFor('the pass to run out', async () => (await stateOf(event, 'a')) === 'expired')
  t.match(await event.call('ENQUEUE', { user: 'ann', token: 'a', dedupe: 'k2' }), ['QUEUED', /./, 1])
  t.equal(await stateOf(event, 'a'), 'waiting')
  t.same(await event.call('VERIFY', { pass }), ['EXPIRED', null, null])
})

t.test('a pass that ran out counts as expired at once, and once, and is told as such', async (t) => {
  const event = await lineOf(3, 'admit', 'manual', 'pass_ttl_ms', '5')
  const admitted = (await event.call('ADMIT', { count: 3, force: '1' })) as Admitted
  const end = admitted[0][3]
  await waitFor('the passes to run out', async () => (await redisNow(event.redis)) > end)
  t.match(await statsOf(event), { expired_total: 3, admitted: 0 })
  const legacy = event.keys.event.replace(/^tq:(\{.*\}):event$/, 'queue:event:$1')
  await event.redis.zadd(legacy, 1, 't1')
  t.same(await event.call('MIGRATE'), [0, 1, 0], 'one joins again from an older queue')
  await event.call('ENQUEUE', { user: 'u2', token: 't2', dedupe: 'k' })
  await event.call('CLEANUP')
  t.match(await statsOf(event), { expired_total: 3, waiting: 2 })
  for (const [, , pass] of admitted) t.same(await event.call('VERIFY', { pass }), ['EXPIRED', null, null])
  for (const token of ['t1', 't2']) {
    await event.call('LEAVE', { token })
    t.match(
      await event.call('ENQUEUE', { user: 'u', token }),
      ['DUPLICATE'],
      `${token} was its own dedupe key`,
    )
  }
})

t.test('holds may ask for a pass', async (t) => {
  const event = await lineOf(2, 'require_pass', '1', 'admit', 'manual')
  await event.call('STOCK', { count: 5 })
  const [[, , pass]] = (await event.call('ADMIT')) as Admitted
  const refused = ['NOT_ADMITTED', 5, null, null, null]
  t.same(await event.call('HOLD', { user: 'u1', quantity: 1 }), refused)
  t.same(await event.call('HOLD', { user: 'u2', quantity: 1, pass }), refused)
  t.match(await event.call('HOLD', { user: 'u1', quantity: 1, pass }), ['HELD', 4])
  await event.call('DONE', { token: 't1' })
  t.match(await event.call('HOLD', { user: 'u1', quantity: 1, pass }), ['NOT_ADMITTED'])
})

t.test('the journal tells what happened, in order', async (t) => {
  const event = await lineOf(2, 'pass_ttl_ms', '60000', 'rate', '0.01', 'burst', '1')
  await enter(event, 't1')
  await event.call('DONE', { token: 't1' })
  await event.call('LEAVE', { token: 't2' })
  const entries = await event.redis.xrange(event.keys.journal, '-', '+')
  t.same(
    entries.map(([, fields]) => [fields[1], fields[3], fields[5]]),
    [
      ['joined', 't1', 'u1'],
      ['joined', 't2', 'u2'],
      ['admitted', 't1', 'u1'],
      ['entered', 't1', 'u1'],
      ['done', 't1', 'u1'],
      ['left', 't2', 'u2'],
    ],
  )
})

t.test(
  'whatever is done, a token is in one place and people go in in line order (invariants 6 and 7)',
  async (t) => {
    const tokens = ['a', 'b', 'c', 'd', 'e', 'f']
    const step = fc.record({
      kind: fc.constantFrom('join', 'leave', 'enter', 'admit', 'done', 'dequeue'),
      token: fc.constantFrom(...tokens),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 0, max: 3 }),
        fc.boolean(),
        async (steps, capacity, auto) => {
          const event = await luaEvent()
          await event.call('CONFIG', {}, [
            'capacity',
            String(capacity),
            'admit',
            auto ? 'auto' : 'manual',
            'dedupe_ttl_ms',
            '600000',
          ])
          let line: string[] = []
          const inside = new Set<string>()
          const gone = new Set<string>()
          let key = 0
          const letIn = (most: number) => {
            const room = capacity === 0 ? most : Math.min(most, capacity - inside.size)
            for (const token of line.splice(0, Math.max(room, 0))) inside.add(token)
          }
          for (const { kind, token } of steps) {
            if (kind === 'join') {
              const [status] = (await event.call('ENQUEUE', {
                user: token,
                token,
                dedupe: `k${key++}`,
              })) as string[]
              const there = line.includes(token) || inside.has(token)
              if (status !== (there ? 'DUPLICATE' : 'QUEUED')) throw new Error(`join ${token}: ${status}`)
              if (!there) line.push(token)
              gone.delete(token)
            } else if (kind === 'leave' || kind === 'dequeue') {
              const waits = line.includes(token)
              if (kind === 'leave') {
                if ((await event.call('LEAVE', { token })) !== (waits ? 1 : 0))
                  throw new Error(`leave ${token}`)
              } else {
                const taken = (await event.call('DEQUEUE', { user: token })) as unknown[]
                if (taken.length !== (waits ? 1 : 0)) throw new Error(`dequeue ${token}`)
              }
              line = line.filter((other) => other !== token)
              if (waits) gone.add(token)
            } else if (kind === 'done') {
              const was = inside.delete(token)
              if ((await event.call('DONE', { token })) !== (was ? 1 : 0)) throw new Error(`done ${token}`)
              if (was) gone.add(token)
            } else if (kind === 'admit') {
              const before = [...line]
              const admitted = (await event.call('ADMIT', { count: 2 })) as Admitted
              letIn(2)
              const expected = before.slice(0, before.length - line.length)
              if (admitted.map(([of]) => of).join() !== expected.join()) throw new Error(`admit ${admitted}`)
            } else {
              const [status] = await enter(event, token)
              if (auto && line.includes(token)) letIn(500)
              const expected = inside.has(token) ? 'ADMITTED' : line.includes(token) ? 'WAITING' : 'UNKNOWN'
              if (status !== expected) throw new Error(`enter ${token}: ${status}, not ${expected}`)
            }
            for (const [position, of] of line.entries()) {
              if ((await event.call('POS', { token: of })) !== position + 1)
                throw new Error(`position of ${of}`)
            }
            if (!(await isJournalWhole(event))) throw new Error(`${kind} took no number`)
            const stats = await statsOf(event)
            if (stats.waiting !== line.length || stats.admitted + stats.inside !== inside.size) {
              throw new Error(JSON.stringify(stats))
            }
            for (const of of tokens) {
              const state = await stateOf(event, of)
              const expected = line.includes(of)
                ? /^waiting$/
                : inside.has(of)
                  ? /^(admitted|inside)$/
                  : gone.has(of)
                    ? /^left$/
                    : /^null$/
              if (!expected.test(String(state))) throw new Error(`${of} is ${state}, not ${expected}`)
            }
          }
        },
      ),
      { numRuns: 40 },
    )
    t.pass()
  },
)
