// Settings are set all or none, within their bounds, and those that nothing enforces are refused.

import t from 'tap'
import { fieldsOf, luaEvent, redisNow } from '../fixtures/lua-event.ts'

t.test('settings have defaults, and reading them makes no event', async (t) => {
  const event = await luaEvent()
  t.match(fieldsOf(await event.call('CONFIG')), {
    maxlen: '0',
    max_per_user: '0',
    dedupe_ttl_ms: '300000',
    hold_ttl_ms: '300000',
    max_hold_ms: '1800000',
    max_seats: '0',
    remember_ms: '600000',
    journal: 'event',
  })
  t.equal(await event.redis.exists(event.keys.event), 0)
})

t.test('settings are set together, in any case', async (t) => {
  const event = await luaEvent()
  t.equal(await event.call('CONFIG', {}, ['MAXLEN', '0007', 'journal', 'NONE']), 'OK')
  t.match(fieldsOf(await event.call('CONFIG')), { maxlen: '7', journal: 'none', max_seats: '0' })
})

t.test('one bad setting keeps all of them from being set (invariant 1)', async (t) => {
  const event = await luaEvent()
  for (const bad of [
    ['maxlen', '-1'],
    ['maxlen', '1e3'],
    ['maxlen', ''],
    ['maxlen', '99999999999999999999'],
    ['hold_ttl_ms', '0'],
    ['burst', '0'],
    ['rate', '1.'],
    ['capacity', '0.5'],
    ['admit', 'event'],
    ['journal', 'sometimes'],
    ['nonsense', '1'],
  ]) {
    t.match(await event.call('CONFIG', {}, ['max_per_user', '3', ...bad]), /^BADCONF /, bad.join(' '))
  }
  t.equal(await event.redis.exists(event.keys.event), 0)
})

t.test('a rate may be a fraction, and 0 turns off what can be off', async (t) => {
  const event = await luaEvent()
  t.equal(await event.call('CONFIG', {}, ['rate', '0.25', 'max_hold_ms', '0', 'dedupe_ttl_ms', '0']), 'OK')
  t.match(fieldsOf(await event.call('CONFIG')), { rate: '0.25' })
  await event.call('STOCK', { count: 5 })
  const [, , , expires] = (await event.call('HOLD', { user: 'ann', quantity: 1, ttl: 7_200_000 })) as number[]
  t.ok(expires > (await redisNow(event.redis)) + 7_100_000)
  await event.call('ENQUEUE', { user: 'ann', token: 'a' })
  await event.call('LEAVE', { token: 'a' })
  t.match(await event.call('ENQUEUE', { user: 'ann', token: 'a' }), ['QUEUED'])
})

t.test('the journal is chosen before anything has happened', async (t) => {
  const event = await luaEvent()
  await event.call('ENQUEUE', { user: 'ann', token: 'a' })
  t.match(await event.call('CONFIG', {}, ['journal', 'none']), /^BADCONF journal/)
  t.equal(await event.call('CONFIG', {}, ['journal', 'event']), 'OK', 'what it is already')
})

t.test('a setting that is sent again does not undo a later one', async (t) => {
  const event = await luaEvent()
  await event.call('CONFIG', {}, ['maxlen', '5'])
  const again = event.repeater()
  await event.call('CONFIG', {}, ['maxlen', '6'])
  t.equal(await again(), 'OK')
  t.match(fieldsOf(await event.call('CONFIG')), { maxlen: '6' })
})
