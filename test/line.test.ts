// The line of an event as many clients at several proxies see it, on a real cluster.

import { randomBytes, randomInt } from 'node:crypto'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import { sharedCluster } from './fixtures/cluster.ts'
import { startTestProxy } from './fixtures/proxy.ts'

type Joined = [status: string, id: string | null, position: number | null]

async function connect(t: Test, port: number, count = 1): Promise<Redis[]> {
  const clients = Array.from(
    { length: count },
    () => new Redis(port, '127.0.0.1', { protocol: 2, retryStrategy: () => null }),
  )
  t.teardown(() => {
    for (const client of clients) client.disconnect()
  })
  await Promise.all(clients.map((client) => client.ping()))
  return clients
}

const randomEvent = (): string => `line-${randomBytes(6).toString('hex')}`

test('of 100 joins with one dedupe key over 100 connections and 3 proxies exactly one gets in', async (t) => {
  const proxies = await Promise.all([startTestProxy(t), startTestProxy(t), startTestProxy(t)])
  const clients = (await Promise.all(proxies.map(({ port }) => connect(t, port, 34)))).flat().slice(0, 100)
  const event = randomEvent()
  const replies = (await Promise.all(
    clients.map((client, i) => client.call('TQ.ENQUEUE', event, 'ann', `token-${i}`, 'DEDUPE', 'order-1')),
  )) as Joined[]
  const queued = replies.filter(([status]) => status === 'QUEUED')
  const duplicates = replies.filter(([status]) => status === 'DUPLICATE')
  t.equal(queued.length, 1)
  t.equal(duplicates.length, 99)
  t.strictSame(new Set(replies.map(([, id]) => id)), new Set([queued[0][1]]), 'all name the same entry')
  t.strictSame(new Set(replies.map(([, , position]) => position)), new Set([1]), 'at the same position')
  t.equal(
    ((await clients[0].call('TQ.PEEK', event, 'COUNT', '10')) as unknown[]).length,
    1,
    'one entry waits',
  )
})

test('with 20 clients, 50 events and 20,000 entries, positions and each user order are exact at every check', async (t) => {
  const { port } = await startTestProxy(t)
  const clients = await connect(t, port, 20)
  const events = Array.from({ length: 50 }, () => ({
    name: randomEvent(),
    line: [] as { token: string; user: string }[],
  }))
  let joined = 0
  let checks = 0
  let left = 0

  // One client works on an event at a time, so that the model knows the order; all events go on at once.
  const work = async (client: Redis, event: (typeof events)[number]): Promise<void> => {
    for (let round = 0; round < 8; round++) {
      const entries = Array.from({ length: 50 }, (_, i) => ({
        token: `${round}-${i}`,
        user: `user-${randomInt(5)}`,
      }))
      const replies = (await Promise.all(
        entries.map(({ token, user }) => client.call('TQ.ENQUEUE', event.name, user, token)),
      )) as Joined[]
      replies.forEach(([status, , position], i) => {
        event.line.push(entries[i])
        if (status !== 'QUEUED' || position !== event.line.length)
          t.fail(`join ${i}: ${status} at ${position}`)
      })
      joined += entries.length
      for (let i = 0; i < 10; i++) {
        const [{ token }] = event.line.splice(randomInt(event.line.length), 1)
        const gone = Number(await client.call('TQ.LEAVE', event.name, token))
        left += gone
      }
      for (let i = 0; i < 20; i++) {
        const at = randomInt(event.line.length)
        const position = await client.call('TQ.POS', event.name, event.line[at].token)
        if (position !== at + 1)
          t.fail(`${event.name} ${event.line[at].token}: ${position} instead of ${at + 1}`)
        checks++
      }
    }
  }
  await Promise.all(
    clients.map(async (client, i) => {
      for (let at = i; at < events.length; at += clients.length) await work(client, events[at])
    }),
  )
  t.equal(joined, 20_000)
  t.equal(left, 4_000)
  t.equal(checks, 8_000)

  const [client] = clients
  for (const event of events) {
    for (const user of new Set(event.line.map((entry) => entry.user))) {
      const mine = event.line.filter((entry) => entry.user === user).map((entry) => entry.token)
      const messages = (await client.call('TQ.MESSAGES', event.name, user)) as [string, string, number][]
      t.strictSame(
        messages.map(([, token]) => token),
        mine,
        'MESSAGES gives them in the order they joined',
      )
      const taken: string[] = []
      while (taken.length < mine.length) {
        const part = (await client.call('TQ.DEQUEUE', event.name, user, 'COUNT', '7')) as [string, string][]
        if (part.length === 0) break
        taken.push(...part.map(([, token]) => token))
      }
      if (taken.join() !== mine.join()) t.fail(`${event.name} ${user}: left in another order`)
    }
  }
})

test('1,000,000 joins have unique scores that grow in the order of the line (invariant 3)', async (t) => {
  const { port } = await startTestProxy(t)
  const clients = await connect(t, port, 4)
  const event = randomEvent()
  const total = 1_000_000
  let next = 0
  let queued = 0
  await Promise.all(
    clients.map(async (client) => {
      while (next < total) {
        const from = next
        next += 2000
        const pipeline = client.pipeline()
        for (let i = from; i < from + 2000; i++) pipeline.call('TQ.ENQUEUE', event, `u${i % 1000}`, `t${i}`)
        for (const [error, reply] of (await pipeline.exec())!) {
          if (error !== null) throw error
          if ((reply as Joined)[0] === 'QUEUED') queued++
        }
      }
    }),
  )
  t.equal(queued, total)
  const line = `tq:{${event}}:line`
  let last = 0
  let seen = 0
  for (let from = 1; from <= total; from += 10_000) {
    const page = (await clients[0].call(
      'ZRANGE',
      line,
      `${from}`,
      `${from + 9_999}`,
      'WITHSCORES',
    )) as string[]
    for (let i = 1; i < page.length; i += 2) {
      const score = Number(page[i])
      if (!Number.isSafeInteger(score) || score <= last) t.fail(`score ${page[i]} behind ${last}`)
      last = score
      seen++
    }
  }
  t.equal(seen, total)
  const [rear] = (await clients[0].call('ZRANGE', line, '-1', '-1')) as string[]
  t.equal(await clients[0].call('TQ.POS', event, rear), total)
  await clients[0].unlink(line)
})

test('every key a TQ command creates carries the event as its hash tag', async (t) => {
  const { port } = await startTestProxy(t)
  const [client] = await connect(t, port)
  const event = randomEvent()
  await client.call('TQ.ENQUEUE', event, 'ann', 'token', 'DEDUPE', 'key', 'TTL', '60')
  await client.call('TQ.STOCK', event, 'SEATS', 'A1')
  await client.call('TQ.STOCK', event, 'SECTION', 'stalls', 'COUNT', '10')
  await client.call('TQ.HOLD', event, 'ann', 'SEATS', 'A1')
  await client.call('TQ.CONFIG', event, 'maxlen', '10')
  await client.call('TQ.LEAVE', event, 'token')
  const found: string[] = []
  for (const address of await sharedCluster()) {
    const [host, at] = address.split(':')
    const node = new Redis({ host, port: Number(at) })
    if (/role:master/.test(await node.info('replication'))) {
      for await (const keys of node.scanStream({ match: `*${event}*`, count: 10_000 }))
        found.push(...(keys as string[]))
    }
    node.disconnect()
  }
  t.ok(found.length > 0)
  t.strictSame(
    found.filter((key) => !key.startsWith(`tq:{${event}}:`)),
    [],
  )
})

test('bad events, arities, numbers and types get an error and write nothing (invariant 1)', async (t) => {
  const { port } = await startTestProxy(t)
  const [client] = await connect(t, port)
  const event = randomEvent()
  const other = randomEvent()
  await client.set(`tq:{${other}}:line`, 'in the way')
  const keysOf = async (name: string): Promise<number> =>
    client.exists(
      ...['event', 'line', 'tickets', 'users', 'journal', 'seats', 'stock'].map(
        (key) => `tq:{${name}}:${key}`,
      ),
    )
  const refused: [RegExp, ...string[]][] = [
    [/^BADEVENT /, 'TQ.ENQUEUE', '', 'ann', 'token'],
    [/^BADEVENT /, 'TQ.ENQUEUE', 'a{b', 'ann', 'token'],
    [/^BADEVENT /, 'TQ.ENQUEUE', 'a}b', 'ann', 'token'],
    [/^BADEVENT /, 'TQ.ENQUEUE', 'line\nbreak', 'ann', 'token'],
    [/^BADEVENT /, 'TQ.ENQUEUE', 'x'.repeat(257), 'ann', 'token'],
    [/^ERR wrong number of arguments for 'tq\.enqueue' command$/, 'TQ.ENQUEUE', event, 'ann'],
    [/^ERR wrong number of arguments for 'tq\.pos' command$/, 'TQ.POS', event],
    [/^ERR syntax error$/, 'TQ.ENQUEUE', event, 'ann', 'token', 'DEDUPE'],
    [/^ERR syntax error$/, 'TQ.ENQUEUE', event, 'ann', 'token', 'SURPRISE', '1'],
    [/^ERR syntax error$/, 'TQ.ENQUEUE', event, 'ann', 'token', 'TTL', '1', 'ttl', '2'],
    [/^ERR value is not an integer or out of range$/, 'TQ.ENQUEUE', event, 'ann', 'token', 'TTL', 'soon'],
    [/^ERR value is not an integer or out of range$/, 'TQ.ENQUEUE', event, 'ann', 'token', 'TTL', '0'],
    [
      /^ERR value is not an integer or out of range$/,
      'TQ.ENQUEUE',
      event,
      'ann',
      'token',
      'TTL',
      '99999999999999999999',
    ],
    [/^ERR value is not an integer or out of range$/, 'TQ.PEEK', event, 'COUNT', '1000000000'],
    [/^ERR value is not an integer or out of range$/, 'TQ.STOCK', event, 'COUNT', '-1'],
    [/^ERR syntax error$/, 'TQ.STOCK', event, 'SECTION', 'stalls'],
    [/^ERR syntax error$/, 'TQ.HOLD', event, 'ann', 'SEATS', 'A1', 'A1'],
    [/^ERR syntax error$/, 'TQ.HOLD', event, 'ann', 'EX', '1', 'PX', '1', 'SEATS', 'A1'],
    [/^ERR syntax error$/, 'TQ.HOLD', event, 'ann', 'SECTION', 'stalls', 'SEATS', 'A1'],
    [/ too long/, 'TQ.ENQUEUE', event, 'u'.repeat(257), 'token'],
    [/^ERR .* empty/, 'TQ.ENQUEUE', event, 'ann', ''],
    [/^BADCONF /, 'TQ.CONFIG', event, 'maxlen', '-1'],
    [/^BADCONF |^ERR /, 'TQ.CONFIG', event, 'maxlen', '5', 'no_such_setting', '1'],
    [/^WRONGTYPE /, 'TQ.ENQUEUE', other, 'ann', 'token'],
    [/^WRONGTYPE /, 'TQ.POS', other, 'token'],
  ]
  for (const [expected, command, ...words] of refused) {
    await t.rejects(
      client.call(command, ...words),
      { message: expected },
      [command, ...words].join(' ').slice(0, 80),
    )
  }
  t.equal(await keysOf(event), 0, 'no key was made')
  t.equal(await keysOf(other), 1, 'nothing was written beside the key in the way')
  t.equal(await client.get(`tq:{${other}}:line`), 'in the way')
})
