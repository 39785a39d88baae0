// TQ.MIGRATE: an older queue becomes the front of the line while people go on joining.

import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { test } from 'tap'
import { ownRedis } from './fixtures/cluster.ts'
import { startTestProxy } from './fixtures/proxy.ts'

const OLD = 200_000
const LONGEST_CALL_US = 20_000

test(`${OLD} old entries move in front of the line while 4 clients join: none lost, none doubled, old before new`, async (t) => {
  // A Redis of its own: its slow log shows the longest script call.
  const redis = await ownRedis(t)
  const direct = new Redis(redis.port, '127.0.0.1')
  const proxies = [
    await startTestProxy(t, { upstream: [redis.address] }),
    await startTestProxy(t, { upstream: [redis.address] }),
  ]
  const clients = Array.from(
    { length: 5 },
    (_, i) => new Redis(proxies[i % 2].port, '127.0.0.1', { protocol: 2 }),
  )
  t.teardown(() => {
    for (const client of [direct, ...clients]) client.disconnect()
  })
  const event = `migrate-${randomBytes(4).toString('hex')}`
  const legacy = `queue:event:{${event}}`
  for (let from = 0; from < OLD; from += 10_000) {
    // Timestamps as scores, many of them the same: Redis orders ties by member.
    const members = Array.from({ length: 10_000 }, (_, i) => [
      String(1_700_000_000_000 + Math.floor((from + i) / 7)),
      `old-${((from + i) * 7919) % OLD}`,
    ])
    await direct.zadd(legacy, ...members.flat())
  }
  const order = (await direct.call('ZRANGE', legacy, '0', '-1')) as string[]
  t.equal(order.length, OLD)
  await direct.call('CONFIG', 'SET', 'slowlog-log-slower-than', String(LONGEST_CALL_US))
  await direct.call('CONFIG', 'SET', 'slowlog-max-len', '1000')
  await direct.call('SLOWLOG', 'RESET')

  let migrating = true
  const joined: string[][] = [[], [], [], []]
  const joins = Promise.all(
    joined.map(async (mine, c) => {
      while (migrating) {
        const token = `new-${c}-${mine.length}`
        const [status] = (await clients[c].call('TQ.ENQUEUE', event, `user-${c}`, token)) as [string]
        if (status !== 'QUEUED') t.fail(`${token}: ${status}`)
        mine.push(token)
      }
    }),
  )
  const [, , , , worker] = clients
  let moved = 0
  let remaining = 1
  for (let call = 0; remaining > 0; call++) {
    // In the middle the worker dies and another one goes on, through the other proxy.
    const by = call === 2000 ? clients[1] : worker
    const reply = (await by.call('TQ.MIGRATE', event)) as [number, number, number]
    remaining = reply[0]
    moved += reply[1]
  }
  migrating = false
  await joins
  t.equal(moved, OLD)
  const slow = (await direct.call('SLOWLOG', 'GET', '1000')) as [number, number, number, string[]][]
  const slowScripts = slow.filter(([, , , [name]]) => /^eval/i.test(name))
  t.strictSame(
    slowScripts.map(([, , us]) => us),
    [],
    `no script call took over ${LONGEST_CALL_US} us`,
  )

  const line = (await direct.call('ZRANGE', `tq:{${event}}:line`, '1', '-1')) as string[]
  const total = OLD + joined.flat().length
  t.equal(line.length, total, 'nobody was lost')
  t.equal(new Set(line).size, total, 'nobody was doubled')
  t.ok(
    line.slice(0, OLD).every((token, i) => token === order[i]),
    'the old ones stand first, in their order',
  )
  for (const mine of joined) {
    t.strictSame(
      line.filter((token) => mine[0] !== undefined && token.startsWith(mine[0].slice(0, 6))),
      mine,
    )
  }
  t.equal(await clients[0].call('TQ.POS', event, order[OLD - 1]), OLD)
  t.strictSame(await clients[0].call('TQ.MIGRATE', event), [0, 0, 0], 'once more changes nothing')
})

test('DRYRUN says what would move and moves nothing; a key of another slot is CROSSSLOT', async (t) => {
  const { port } = await startTestProxy(t)
  const client = new Redis(port, '127.0.0.1', { protocol: 2 })
  t.teardown(() => client.disconnect())
  const event = `migrate-${randomBytes(4).toString('hex')}`
  await client.zadd(`old:{${event}}`, '5', 'a', '5', 'b', '6', 'c')
  await client.call('TQ.ENQUEUE', event, 'ann', 'b')
  t.strictSame(await client.call('TQ.MIGRATE', event, 'FROM', `old:{${event}}`, 'DRYRUN'), [3, 2, 1])
  t.equal(await client.call('TQ.POS', event, 'b'), 1)
  t.equal(await client.zcard(`old:{${event}}`), 3)
  await t.rejects(client.call('TQ.MIGRATE', event, 'FROM', 'old:elsewhere'), { message: /^CROSSSLOT / })
  t.strictSame(await client.call('TQ.MIGRATE', event, 'FROM', `old:{${event}}`), [0, 2, 1])
  t.strictSame(
    await Promise.all(['a', 'c', 'b'].map((token) => client.call('TQ.POS', event, token))),
    [1, 2, 3],
  )
})
