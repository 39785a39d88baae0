// The invariants of the data model that concern all commands together, each held against a Redis of its own.

import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import { EVENT_KEYS } from '../src/commands/spec.ts'
import { loadScripts } from '../src/upstream/scripts.ts'
import { ownRedis, randomName, waitFor } from './fixtures/cluster.ts'
import { EventModel } from './fixtures/event-model.ts'
import { send, stepsOf } from './fixtures/event-steps.ts'
import { fieldsOf, redisNow } from './fixtures/lua-event.ts'
import { startTestProxy } from './fixtures/proxy.ts'
import { rawClient } from './fixtures/raw-client.ts'

/** A client of a proxy before a Redis that no other test touches, and a connection to that Redis. */
async function alone(t: Test): Promise<{ client: Redis; direct: Redis }> {
  const own = await ownRedis(t, { config: ['maxmemory-policy noeviction'] })
  const proxy = await startTestProxy(t, { upstream: [own.address] })
  const client = new Redis(proxy.port, '127.0.0.1', { protocol: 2, retryStrategy: () => null })
  const direct = new Redis(own.port, '127.0.0.1')
  t.teardown(() => {
    client.disconnect()
    direct.disconnect()
  })
  return { client, direct }
}

/** Calls a command of one event; an error is returned as its text. */
function caller(client: Redis, event: string): (line: string) => Promise<unknown> {
  return (line) => {
    const [command, ...words] = line.split(' ')
    return client.call(`TQ.${command}`, event, ...words).catch((error: Error) => error.message)
  }
}

const keysOf = (event: string): string[] => EVENT_KEYS.map((key) => `tq:{${event}}:${key}`)

test('a script touches the keys that it was given and no others, looks for none, and reads the time once (invariants 2 and 4)', async (t) => {
  const { client, direct } = await alone(t)
  const names = new Map([...loadScripts().values()].map(({ sha, name }) => [sha, name]))
  const seen = new Set<string>()
  const strange = new Set<string>()
  let current = { name: '', keys: new Set<string>(), times: 0 }
  let last = ''
  // A bare connection: ioredis fails where a command of somebody else is told before the OK.
  const monitor = await rawClient(direct.options.port!)
  t.teardown(() => monitor.destroy())
  const watch = (line: string): void => {
    const [, source, rest] = /^\+\S+ \[\d+ (\S+)\] (.*)$/.exec(line) ?? []
    if (source === undefined) return
    const words = [...rest!.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word]) => word!)
    last = words[1] ?? ''
    const verb = words[0]!.toUpperCase()
    if (source !== 'lua') {
      const isScript = verb === 'EVALSHA' || verb === 'EVAL'
      const name = verb === 'EVALSHA' ? (names.get(words[1]!) ?? words[1]!) : words[1]!
      current = { name, keys: new Set(isScript ? words.slice(3, 3 + Number(words[2])) : []), times: 0 }
      if (verb === 'EVALSHA') seen.add(name)
      return
    }
    if (verb === 'TIME') {
      if (++current.times > 1) strange.add(`${current.name} reads the time again`)
      return
    }
    if (/^(KEYS|SCAN|RANDOMKEY)$/.test(verb)) strange.add(`${current.name} calls ${verb}`)
    const key = words[/^(XGROUP|XINFO|OBJECT|MEMORY)$/.test(verb) ? 2 : 1]!
    if (!current.keys.has(key)) strange.add(`${current.name} touches ${key} by ${verb}`)
  }
  let partial = ''
  monitor.socket.on('data', (chunk) => {
    const lines = (partial + chunk.toString('latin1')).split('\r\n')
    partial = lines.pop()!
    lines.forEach(watch)
  })
  await monitor.send('MONITOR\r\n')
  await waitFor('the monitor to begin', () => monitor.unread().includes('+OK'))

  const sequences = fc.sample(stepsOf(250), { numRuns: 16, seed: 11 })
  for (const [i, sequence] of sequences.entries()) {
    const model = new EventModel(randomName())
    const told: string[] = []
    if (i % 4 === 0) await send(client, [model.journal('user')], told)
    for (const step of sequence) {
      if (step === null) continue
      for (const move of model.moves(step)) await send(client, [move], told)
    }
  }
  const end = randomUUID()
  await direct.echo(end)
  await waitFor('the monitor to have told of everything', () => last === end)
  t.strictSame([...strange], [])
  t.strictSame([...seen].sort(), [...names.values()].sort(), 'every script was run')
})

test('no key of a live event has a time to live, whatever happens in it, and CLOSE gives one to all of them (invariant 9)', async (t) => {
  const { client, direct } = await alone(t)
  const event = randomName()
  const call = caller(client, event)
  const ttls = (): Promise<number[]> => Promise.all(keysOf(event).map((key) => direct.pttl(key)))
  for (const line of [
    'CONFIG admit manual idle_ms 60000 pass_ttl_ms 60000',
    'ENQUEUE ann a DEDUPE k TTL 1',
    'ENQUEUE bob b TTL 1',
    'ENQUEUE cid c',
    'TOUCH a b c',
    'ADMIT FORCE ID x',
    'ENTER a',
    'DONE a',
    'LEAVE b',
    'DEQUEUE cid ID y',
    'STOCK SEATS A1 A2',
    'STOCK SECTION stalls COUNT 10',
    'HOLD ann PX 1 SEATS A1',
    'HOLD ann EX 1 ID z SECTION stalls QTY 2',
    'CONFIRM ann SECTION stalls QTY 1',
    'CLEANUP OLDER 0',
    'PAUSE',
    'RESUME',
  ]) {
    t.notMatch(await call(line), /^ERR/, line)
    t.strictSame(new Set(await ttls()), new Set([-1]), `after ${line}`)
  }
  await call('CLOSE')
  for (const [i, ttl] of (await ttls()).entries()) t.ok(ttl > 0, `${EVENT_KEYS[i]} ends`)
})

test('what ran out is told in the same way before a CLEANUP, after it, and without one (invariant 10)', async (t) => {
  const { client } = await alone(t)
  const questions = [
    'STATS',
    'STATUS a',
    'ENTER a',
    'VERIFY <pass>',
    'DONE a',
    'LEAVE a',
    'ENQUEUE ann a',
    'HOLDS ann',
    'SEATMAP',
    'CONFIRM ann SEATS A1',
    'EXTEND ann EX 60 SEATS A1',
    'RELEASE ann SEATS A1',
    'CONFIRM ann QTY 2',
    'STOCK COUNT 3',
    'UNSTOCK SEATS A3',
    'HOLD bob SEATS A1 A2',
    'HOLD bob QTY 3',
    'ENQUEUE ann a DEDUPE k',
    'VERIFY <pass>',
    'LEAVE a',
    'ENQUEUE ann a',
    'ENTER b',
    'STATS',
  ]
  const answers = async (cleaned: boolean): Promise<unknown[]> => {
    const event = randomName()
    const call = caller(client, event)
    await call('STOCK SEATS A1 A2 A3')
    await call('STOCK COUNT 5')
    await call('ENQUEUE ann a')
    await call('CONFIG admit manual pass_ttl_ms 5')
    const [[, , pass, expires]] = (await call('ADMIT')) as [[string, string, string, number]]
    await call('CONFIG pass_ttl_ms 60000')
    await call('HOLD ann PX 5 SEATS A1 A2')
    const hold = (await call('HOLD ann PX 5 QTY 5')) as unknown[]
    const end = Math.max(expires, Number(hold[3]))
    await waitFor('all of it to run out', async () => (await redisNow(client)) > end)
    if (cleaned) t.strictSame(await call('CLEANUP'), [0, 0, 1, 7])
    const given: unknown[] = []
    for (const question of questions) {
      let answer = await call(question.replace('<pass>', pass))
      if (question === 'STATS')
        answer = { ...fieldsOf(answer), rate: null, eta_ms: null, oldest_wait_ms: null }
      if (question === 'SEATMAP')
        answer = JSON.stringify(answer)
          .match(/"A\d","\w+"/g)!
          .sort()
      // Times differ between two events, and so do numbers, as CLEANUP tells the journal of what it drops.
      given.push([question, JSON.stringify(answer).replace(/\b1\d{12}\b(-\d+)?/g, 'time')])
    }
    return given.map((line) => String(line).replace(/^(HOLD .*HELD",\d+),\d+/, '$1,fence'))
  }
  t.strictSame(await answers(true), await answers(false))
})

test('with Redis out of memory what frees still works through the proxy, and what takes is refused (invariant 11)', async (t) => {
  const { client, direct } = await alone(t)
  const event = randomName()
  const call = caller(client, event)
  await call('CONFIG admit manual pass_ttl_ms 5')
  await call('STOCK SEATS A1 A2 A3')
  await call('STOCK SECTION stalls COUNT 50')
  for (let i = 0; i < 40; i++) await call(`ENQUEUE u${i % 5} t${i}`)
  await call('ADMIT COUNT 5')
  await call('CONFIG pass_ttl_ms 60000')
  await call('ADMIT COUNT 5')
  await call('ENTER t6')
  await call('HOLD ann SEATS A1 A2')
  await call('HOLD ann SECTION stalls QTY 8')
  const [, , , end] = (await call('HOLD bob PX 5 SECTION stalls QTY 8')) as number[]
  await waitFor('passes and holds to run out', async () => (await redisNow(direct)) > end!)
  await direct.config('SET', 'maxmemory', '1')

  for (const line of ['ENQUEUE ann new', 'HOLD bob SEATS A3', 'STOCK SEATS B1']) {
    t.match(await call(line), /^OOM /, line)
  }
  t.equal(await call('LEAVE t20'), 1)
  t.strictSame(await call('LEAVE t20'), 0)
  t.match(await call('DEQUEUE u1 COUNT 3'), [/./, /./, /./])
  t.equal(await call('DONE t6'), 1)
  t.equal(await call('DONE t7'), 1)
  t.strictSame(await call('RELEASE ann SEATS A1'), ['RELEASED', 2, 1])
  t.strictSame(await call('RELEASE ann SECTION stalls QTY 3'), ['RELEASED', 45, 3])
  t.strictSame(await call('CLEANUP'), [0, 0, 5, 8])
  t.match(await call('CLEANUP OLDER 0'), [0, Number, 0, 0])
  t.match(await call('ENQUEUE ann new'), /^OOM /, 'it is still full')
  t.strictSame(await call('PURGE'), [0, 15])
  t.equal(await direct.exists(...keysOf(event)), 0)
})

test('a poll writes only when something changes: a thousand of them leave Redis as it was (invariant 12)', async (t) => {
  const { client, direct } = await alone(t)
  const event = randomName()
  const call = caller(client, event)
  await call('CONFIG admit manual')
  for (const token of ['a', 'b', 'c', 'd']) await call(`ENQUEUE ann ${token}`)
  await call('ADMIT')
  await call('ENTER a')
  await call('LEAVE d')
  await call('STOCK SEATS A1')
  await call('HOLD ann SEATS A1')
  await call('PEEK')

  /** How many changes Redis counts, and how far its stream to replicas and to the log has come. */
  const changes = async (): Promise<string> => {
    const info = await direct.info()
    return /rdb_changes_since_last_save:\d+/.exec(info)![0] + /master_repl_offset:\d+/.exec(info)![0]
  }
  const polls = [
    'STATUS a',
    'STATUS b',
    'STATUS d',
    'STATUS nobody',
    'POS c',
    'POS nobody',
    'ENTER a',
    'ENTER b',
    'ENTER nobody',
    'TOUCH b c nobody',
    'MESSAGES ann',
    'PEEK COUNT 10',
    'HOLDS ann',
    'SEATMAP',
    'STATS',
    'CONFIG',
    'VERIFY forged',
    'HOLD ann SEATS A1',
    'LEAVE nobody',
    'RESUME',
  ]
  // The name of the event goes to the list of events a moment after the first write.
  await waitFor('the event to be listed', () => direct.sismember('tq:events', event))
  const before = await changes()
  for (let i = 0; i < 50; i++) await Promise.all(polls.map(call))
  t.equal(await changes(), before)

  await call('CONFIG idle_ms 600000')
  const heard = async (): Promise<number> =>
    Number(/changes_since_last_save:(\d+)/.exec(await direct.info())![1])
  const start = await heard()
  for (let i = 0; i < 50; i++) await Promise.all(['STATUS b', 'ENTER b', 'TOUCH b', 'STATUS c'].map(call))
  t.equal((await heard()) - start, 2, 'a heartbeat is written for each who waits, once')
})
