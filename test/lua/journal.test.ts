// The journal tells of everything that happens, in order, or of nothing where there is none.

import t from 'tap'
import { fieldsOf, type LuaEvent, luaEvent } from '../fixtures/lua-event.ts'

/** One of everything; what is refused or changes nothing is in between. */
async function everything(event: LuaEvent): Promise<void> {
  const join = (token: string) => event.call('ENQUEUE', { user: `user of ${token}`, token })
  await event.call('CONFIG', {}, ['admit', 'manual', 'pass_ttl_ms', '60000', 'retain_ms', '60000'])
  for (const token of ['a', 'b', 'c', 'd', 'e']) await join(token)
  await join('a')
  await event.call('LEAVE', { token: 'a' })
  await event.call('LEAVE', { token: 'a' })
  await event.call('DEQUEUE', { user: 'user of b' })
  const [[, , pass]] = (await event.call('ADMIT')) as string[][]
  await event.call('VERIFY', { pass })
  await event.call('VERIFY', { pass })
  await event.call('DONE', { token: 'c' })
  await event.call('STOCK', {}, ['A1', 'A2', 'A3'])
  await event.call('STOCK', { count: 9 })
  await event.call('STOCK', { section: 'stalls', count: 9 })
  await event.call('HOLD', { user: 'ann' }, ['A1', 'A2'])
  await event.call('HOLD', { user: 'bob' }, ['A1'])
  await event.call('HOLD', { user: 'ann', section: 'stalls', quantity: 3 })
  await event.call('EXTEND', { user: 'ann', ttl: 900_000 }, ['A1'])
  await event.call('RELEASE', { user: 'ann' }, ['A1'])
  await event.call('CONFIRM', { user: 'ann' }, ['A2'])
  await event.call('CANCEL', { user: 'ann' }, ['A2'])
  await event.call('UNSTOCK', {}, ['A3'])
  await event.redis.zadd(event.keys.event.replace(/^tq:(\{.*\}):event$/, 'queue:event:$1'), 1, 'old')
  await event.call('MIGRATE')
  await event.call('CONFIG', {}, ['idle_ms', '1000'])
  // As if nobody had been heard of for long.
  await event.redis.hset(event.keys.event, 'idle_since', 1)
  for (const token of ['d', 'e']) await event.redis.zadd(event.keys.seen, 1, token)
  await event.redis.zadd(event.keys.seen, Date.now() + 60_000, 'e')
  await event.call('ADMIT', { count: 5 })
  await event.call('PAUSE')
  await event.call('RESUME')
  await event.call('CLEANUP', { older: 0 })
  await event.call('CLOSE')
}

t.test('every happening is told once, with the same fields for the same kind', async (t) => {
  const event = await luaEvent()
  await everything(event)
  const entries = await event.redis.xrange(event.keys.journal, '-', '+')
  const told = entries.map(([, fields]) => {
    const words: string[] = []
    for (let i = 0; i < fields.length; i += 2) {
      words.push(fields[i] === 'until' ? 'until' : `${fields[i]}=${fields[i + 1]}`)
    }
    return words.join(' ').replace('type=', '')
  })
  t.same(told, [
    'joined token=a user=user of a',
    'joined token=b user=user of b',
    'joined token=c user=user of c',
    'joined token=d user=user of d',
    'joined token=e user=user of e',
    'left token=a user=user of a',
    'dequeued token=b user=user of b',
    'admitted token=c user=user of c',
    'entered token=c user=user of c',
    'done token=c user=user of c',
    'stocked section= total=3',
    'stocked section= total=9',
    'stocked section=stalls total=9',
    'held user=ann until seat=A1 seat=A2',
    'held user=ann until section=stalls quantity=3',
    'extended user=ann until seat=A1',
    'released user=ann seat=A1',
    'sold user=ann seat=A2',
    'cancelled user=ann seat=A2',
    'unstocked total=2 seat=A3',
    'migrated token=old user=old',
    'expired token=old user=old',
    'expired token=d user=user of d',
    'admitted token=e user=user of e',
  ])
})

t.test('where there is no journal all of it happens all the same', async (t) => {
  const [event, silent] = [await luaEvent(), await luaEvent()]
  await silent.call('CONFIG', {}, ['journal', 'none'])
  await everything(event)
  await everything(silent)
  t.equal(await silent.redis.xlen(silent.keys.journal), 0)
  const counted = async (of: LuaEvent) => {
    const { oldest_wait_ms: _, rate: __, eta_ms: ___, ...rest } = fieldsOf(await of.call('STATS'))
    return rest
  }
  t.same(await counted(silent), await counted(event))
  t.match(await counted(event), {
    waiting: 0,
    joined_total: 6,
    left_total: 1,
    dequeued_total: 1,
    admitted_total: 2,
    expired_total: 2,
    done_total: 1,
    migrated_total: 1,
    duplicates_total: 1,
    seats_total: 20,
    seats_held: 3,
    seats_sold: 0,
  })
})
