// Random sequences of all TQ.* commands, sent by several clients through several proxies, against a small model.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import { EVENT_KEYS, type EventKey } from '../src/commands/spec.ts'
import { randomName, sharedCluster } from './fixtures/cluster.ts'
import { EventModel, type Move } from './fixtures/event-model.ts'
import { type ClientStep, send, stepsOf } from './fixtures/event-steps.ts'
import { redisNow } from './fixtures/lua-event.ts'
import { startTestProxy } from './fixtures/proxy.ts'

/** A seed that a failure has printed runs the same sequences again; more runs find more. */
const SEED = Number(process.env.TQ_MODEL_SEED ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env.TQ_MODEL_RUNS ?? 100)
const STEPS = 200
const steps = stepsOf(STEPS)
const MARK = randomName('model')

const journal = fc.constantFrom('event', 'event', 'user', 'none')

async function connect(t: Test): Promise<Redis[]> {
  const proxies = [await startTestProxy(t), await startTestProxy(t)]
  const clients = [0, 1, 2, 3].map(
    (i) =>
      new Redis(proxies[i % 2]!.port, '127.0.0.1', {
        protocol: i < 2 ? 2 : 3,
        retryStrategy: () => null,
      }),
  )
  t.teardown(() => {
    for (const client of clients) client.disconnect()
  })
  return clients
}

/** One sequence; `batch` commands at most go out at once. */
async function run(
  clients: readonly Redis[],
  sequence: readonly (ClientStep | null)[],
  layout: string,
  batch: number,
): Promise<void> {
  const model = new EventModel(randomName(MARK))
  const told: string[] = []
  if (layout !== 'event') await send(clients[0]!, [model.journal(layout)], told)
  let waiting: Move[] = []
  let by = clients[0]!
  const flush = async (): Promise<void> => {
    if (waiting.length > 0) await send(by, waiting, told)
    waiting = []
  }
  for (const one of sequence) {
    if (one === null) continue
    if (waiting.length === 0) by = clients[one.client]!
    for (const move of model.moves(one)) {
      waiting.push(move)
      if (waiting.length >= batch || move.wait) await flush()
    }
  }
  await flush()
  try {
    await checkData(clients[0]!, model)
  } catch (failure) {
    throw new Error(`${(failure as Error).message}\n${told.slice(-60).join('\n')}`)
  }
}

function score(user: Buffer): number {
  return 2 * Number.parseInt(createHash('sha1').update(user).digest('hex').slice(0, 13), 16)
}

const OFFSET = 2 ** 40
const POOL = 2 ** 42

/** What has to be true of the data itself, whatever was called. */
async function checkData(client: Redis, model: EventModel): Promise<void> {
  const key = (name: EventKey): string => `tq:{${model.event}}:${name}`
  const now = await redisNow(client)
  const zset = async (name: EventKey): Promise<Map<string, number>> => {
    const flat = (await client.callBuffer('ZRANGE', key(name), '0', '-1', 'WITHSCORES')) as unknown[]
    const all = flat.flat() as (Buffer | number)[]
    const found = new Map<string, number>()
    for (let i = 0; i < all.length; i += 2) {
      const member = (all[i] as Buffer).toString('latin1')
      if (member !== '') found.set(member, Number(String(all[i + 1]).replace('inf', 'Infinity')))
    }
    return found
  }
  const hash = async (name: EventKey): Promise<Map<string, string>> => {
    const flat = (await client.callBuffer('HGETALL', key(name))) as Buffer[]
    const found = new Map<string, string>()
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i]!.length > 0) found.set(flat[i]!.toString('latin1'), flat[i + 1]!.toString('latin1'))
    }
    return found
  }
  const [line, users, admitted, inside, seen, holds] = await Promise.all(
    (['line', 'users', 'admitted', 'inside', 'seen', 'holds'] as const).map(zset),
  )
  const [tickets, seats, stock] = await Promise.all((['tickets', 'seats', 'stock'] as const).map(hash))

  const ttls = await Promise.all(EVENT_KEYS.map((name) => client.pttl(key(name))))
  const due = model.gone ? null : !model.exists ? ttls.every((ttl) => ttl === -2) : true
  if (due !== null) {
    assert.ok(due, 'an event that is not there has no key')
    if (model.exists && !model.closed)
      assert.deepEqual(new Set(ttls), new Set([-1]), 'no key of a live event ends')
    if (model.closed)
      assert.ok(
        ttls.every((ttl) => ttl > 0),
        'all keys of a closed event end',
      )
  }
  if (!model.exists || model.gone) return

  // The line, its tickets, and the index of users.
  assert.deepEqual(
    [...line.keys()],
    model.line.map((entry) => entry.token),
    'the line',
  )
  const numbers = [...line.values()]
  const inOrder = numbers.every(
    (number, i) => Number.isSafeInteger(number) && (i === 0 || number > numbers[i - 1]!),
  )
  assert.ok(inOrder, 'numbers are whole and grow')
  const lines = new Map<number, string>()
  for (const [field, text] of tickets) {
    if (!/^-?\d+$/.test(field)) continue
    for (const [, rest, user] of text.matchAll(/\n(\d),\d+,\d+,-?\d*,[^,]*,([^\n]*)/g)) {
      lines.set(
        8 * Number(field) + Number(rest),
        user!.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c)),
      )
    }
  }
  const byNumber = (a: readonly unknown[], b: readonly unknown[]): number => Number(a[0]) - Number(b[0])
  const who = model.line.map((entry, i) => [numbers[i], Buffer.from(entry.user).toString('latin1')])
  assert.deepEqual([...lines].sort(byNumber), who, 'a ticket for each who waits, and no other')
  const indexed: unknown[][] = []
  const owned: [string, number][] = []
  for (const [member, at] of users) {
    if (member.length === 6 && at % 2 === 0) {
      indexed.push([Buffer.from(member, 'latin1').readUIntBE(0, 6) - OFFSET, at])
    } else {
      owned.push([member, at])
    }
  }
  const scores = model.line.map((entry, i) => [numbers[i], score(Buffer.from(entry.user))])
  assert.deepEqual(indexed.sort(byNumber), scores, 'the index has each who waits under their user')
  for (const token of seen.keys()) assert.ok(line.has(token), `${token} was heard of and waits`)

  // A token is in one place at most.
  const tokens = [...line.keys(), ...admitted.keys(), ...inside.keys()]
  assert.equal(new Set(tokens).size, tokens.length, `no token is in two places: ${tokens}`)
  for (const token of [...admitted.keys(), ...inside.keys()]) {
    const pass = tickets.get(`t${token}`)?.split(',')[6]
    assert.equal(tickets.get(`p${pass}`), token, `the pass of ${token} leads back to it`)
  }
  const letIn = [...tickets.keys()].filter((field) => field.startsWith('t'))
  assert.equal(letIn.length, admitted.size + inside.size, 'who was let in has a ticket, and nobody else')
  const passes = [...tickets.keys()].filter((field) => field.startsWith('p'))
  assert.equal(passes.length, letIn.length, 'and one pass each')

  // available + held + sold = stock, counted by hand.
  const sold = new Map<number, number>()
  const held = new Map<number, number>()
  const perUser = new Map<string, number>()
  const add = <Key>(to: Map<Key, number>, at: Key, n: number): void => void to.set(at, (to.get(at) ?? 0) + n)
  let named = 0
  for (const [field, text] of seats) {
    if (field.startsWith('b')) {
      const [, pool, user] = /^b(\d+),(.*)$/s.exec(field)!
      add(sold, Number(pool), Number(text))
      if (Number(text) > 0) add(perUser, user!, Number(text))
    }
    const parsed = /^(?:(\d+),)?([hs]),(\d+),(\d+),(\d+),(\d+),(.*)$/s.exec(text)
    if (field.startsWith('s')) named += parsed === null || parsed[3] === '0' ? 1 : 0
    if (parsed === null || !/^[sq]/.test(field)) continue
    const [, quantity, state, pool, , deadline, , user] = parsed
    if (state === 's') {
      add(sold, Number(pool), 1)
      add(perUser, user!, 1)
    } else if (Number(deadline) > now) {
      add(held, Number(pool), Number(quantity ?? 1))
    }
    if (state === 'h') {
      const marks = quantity
        ? Array.from({ length: Number(quantity) }, (_, i) => `${field}:${i + 1}`)
        : [field]
      for (const mark of marks) {
        assert.equal(holds.get(mark), Number(pool) * POOL + Number(deadline), `${mark} has its deadline`)
      }
    }
  }
  for (const [mark] of holds)
    assert.ok(seats.has(mark.replace(/^(q\d+):\d+$/, '$1')), `${mark} is held by someone`)
  for (const [member, at] of owned) {
    const isNumber = member.startsWith('q')
    const field = isNumber ? `q${Buffer.from(member, 'latin1').readUIntBE(1, 6) - OFFSET}` : member
    const user = /^(?:\d+,)?h,\d+,\d+,\d+,\d+,(.*)$/s.exec(seats.get(field) ?? '')?.[1]
    assert.ok(user !== undefined, `${field} is held by someone`)
    assert.equal(at, score(Buffer.from(user, 'latin1')) + 1, `${field} is found under its holder`)
  }
  assert.equal(Number(stock.get('total:0') ?? 0), named, 'as many named seats as the stock says')
  let available = 0
  for (let pool = 0; pool <= Number(stock.get('pools') ?? 1); pool++) {
    const total = Number(stock.get(`total:${pool}`) ?? 0)
    assert.equal(Number(stock.get(`sold:${pool}`) ?? 0), sold.get(pool) ?? 0, `what is sold of pool ${pool}`)
    const left = total - (sold.get(pool) ?? 0) - (held.get(pool) ?? 0)
    assert.ok(left >= 0, `pool ${pool} is not oversold`)
    available += left
  }
  assert.equal(available, model.stats().seats_available, 'what is available')
  const counted = [...seats]
    .filter(([field]) => field.startsWith('o'))
    .map(([field, n]) => [field.slice(1), Number(n)])
  assert.deepEqual(new Map(counted as [string, number][]), perUser, 'what each user has bought')

  const length = await client.xlen(key('journal'))
  assert.equal(
    length,
    model.settings.get('journal') === 'none' ? 0 : model.seq,
    'the journal tells of everything',
  )
}

for (const [name, batch] of [
  ['one by one', 1],
  ['in pipelines', 25],
] as const) {
  test(`whatever is called, ${name}, by whom and through which proxy, the replies are those of the model and the data is sound (invariants 5 and 6)`, {
    timeout: 90_000 + 500 * RUNS,
  }, async (t) => {
    const clients = await connect(t)
    await fc
      .assert(
        fc.asyncProperty(steps, journal, (sequence, layout) => run(clients, sequence, layout, batch)),
        { numRuns: RUNS, seed: SEED, interruptAfterTimeLimit: 60_000 + 400 * RUNS },
      )
      .catch((error: Error) => {
        throw new Error(`run it again with TQ_MODEL_SEED=${SEED}\n${error.message}`, { cause: error.cause })
      })
    t.pass(`${RUNS} sequences of ${STEPS} commands, seed ${SEED}`)
  })
}

test('every key that any of it made carries its event as the hash tag', async (t) => {
  const own = new RegExp(`^(tq:|stream:event:|queue:event:)\\{${MARK}-[0-9a-f]+\\}(:|$)`)
  let count = 0
  for (const address of await sharedCluster()) {
    const [host, port] = address.split(':')
    const node = new Redis({ host, port: Number(port) })
    t.teardown(() => node.disconnect())
    if (!/role:master/.test(await node.info('replication'))) continue
    for await (const keys of node.scanStream({ match: `*${MARK}*`, count: 10_000 })) {
      count += keys.length
      for (const key of keys) if (!own.test(key)) t.fail(key)
    }
  }
  t.ok(count > 100, `${count} keys`)
})
