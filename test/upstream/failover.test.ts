// Nodes die, hang and come back; commands wait, are sent again, or say honestly what is not known.

import t, { type Test } from 'tap'
import { startRedisCluster } from '../../src/dev/redis-cluster.ts'
import { findPorts } from '../../src/dev/redis-process.ts'
import { keySlot } from '../../src/routing/slots.ts'
import { ownCluster, ownRedis, randomName, waitFor } from '../fixtures/cluster.ts'
import { startTestProxy } from '../fixtures/proxy.ts'
import { encode, parse, type RawClient, rawClient, type Value } from '../fixtures/raw-client.ts'

/** A random key of the master with this index, of three. */
function keyOf(master: number): string {
  const first = (index: number): number => Math.floor((index * 16_384) / 3)
  for (;;) {
    const key = randomName('key')
    const slot = keySlot(Buffer.from(key))
    if (slot >= first(master) && slot < first(master + 1)) return key
  }
}

async function connect(t: Test, port: number): Promise<RawClient> {
  const client = await rawClient(port, '127.0.0.1', 30_000)
  t.teardown(client.destroy)
  return client
}

/** Sends commands in one write and gives the replies. */
async function pipeline(client: RawClient, commands: (string | number)[][]): Promise<Value[]> {
  const replies = client.replies(commands.length)
  await client.send(Buffer.concat(commands.map((command) => encode(...command))))
  return (await replies).map(parse)
}

const messageOf = (value: Value | undefined): string =>
  value instanceof Error ? value.message : String(value)

t.test('a master is killed under load and its replica takes over', async (t) => {
  const cluster = await ownCluster(t, {
    masters: 3,
    replicas: 1,
    nodeTimeoutMs: 1500,
    // Otherwise Redis itself stops all shards while one is without a master.
    config: ['cluster-require-full-coverage no'],
  })
  const proxy = await startTestProxy(t, { upstream: [...cluster.addresses], retryDeadlineMs: 15_000 })
  const [dying, living] = [keyOf(0), keyOf(1)]
  const writer = await connect(t, proxy.port)
  const reader = await connect(t, proxy.port)
  const other = await connect(t, proxy.port)
  await writer.call('SET', dying, 0)
  await writer.call('WAIT', 1, 1000).catch(() => {})
  await other.call('SET', living, 0)

  let slowest = 0
  let running = true
  const uncertain: string[] = []
  const broken: string[] = []
  let written = 0
  const write = (async () => {
    while (running) {
      for (const value of await pipeline(writer, Array(20).fill(['INCR', dying]))) {
        if (typeof value === 'number') written++
        else if (/^UNCERTAIN /.test(messageOf(value))) uncertain.push(messageOf(value))
        else broken.push(messageOf(value))
      }
    }
  })()
  const read = (async () => {
    while (running) {
      for (const value of await pipeline(reader, Array(20).fill(['GET', dying]))) {
        if (!/^\d+$/.test(messageOf(value)) && value !== null) broken.push(messageOf(value))
      }
    }
  })()
  const bystander = (async () => {
    while (running) {
      const began = performance.now()
      await other.call('INCR', living)
      slowest = Math.max(slowest, performance.now() - began)
    }
  })()

  await waitFor('some load', () => written > 200)
  // In flight at the moment of the death: a script that the node has begun and will not end.
  const doomed = await connect(t, proxy.port)
  const endless = doomed.command('EVAL', 'while true do end', 1, dying)
  await waitFor('the node to be busy', async () => {
    const before = written
    await new Promise((resolve) => setTimeout(resolve, 100))
    return written === before
  })
  const killed = performance.now()
  await cluster.kill(0)
  const before = written
  await waitFor('writes to go on', () => written > before + 50)
  const outage = performance.now() - killed
  t.ok(outage < 1500 + 5000, `writes went on after ${Math.round(outage)} ms`)
  running = false
  await Promise.all([write, read, bystander])
  t.same(broken.slice(0, 5), [], 'reads and writes saw nothing but their replies')
  t.ok(uncertain.length > 0 && uncertain.length <= 20, `${uncertain.length} writes were in doubt`)
  t.equal(
    uncertain[0],
    'UNCERTAIN the connection to the node was lost before its reply, the write may or may not have happened',
  )
  t.match(String(await endless), /^-UNCERTAIN /)
  t.ok(slowest < 500, `other shards never waited longer than ${Math.round(slowest)} ms`)
  t.equal(await writer.call('PING'), 'PONG', 'the connections are the same')
  t.equal(await other.call('GET', living), String(await other.call('GET', living)))
  await cluster.restart(0)
  await cluster.waitUntilOk()
  t.equal(await writer.call('SET', dying, 'x'), 'OK')
})

t.test(
  'a master without a replica is gone: errors when the deadline is over, and all is well when it is back',
  async (t) => {
    const cluster = await ownCluster(t, { nodeTimeoutMs: 1000 })
    const proxy = await startTestProxy(t, { upstream: [...cluster.addresses], retryDeadlineMs: 300 })
    const client = await connect(t, proxy.port)
    const key = keyOf(2)
    t.equal(await client.call('SET', key, 1), 'OK')
    await cluster.kill(2)
    const began = performance.now()
    const replies = await pipeline(client, [...Array(500).fill(['GET', key]), ['PING'], ['SET', key, 2]])
    const took = performance.now() - began
    t.match(messageOf(replies[0]), /^CLUSTERDOWN /)
    t.match(messageOf(replies[499]), /^CLUSTERDOWN /)
    t.equal(replies[500], 'PONG')
    t.match(messageOf(replies[501]), /^CLUSTERDOWN |^UNCERTAIN /)
    t.ok(took >= 250 && took < 3000, `they waited ${Math.round(took)} ms, all of them together`)
    await cluster.restart(2)
    await waitFor('the cluster to be well again', async () => (await client.call('GET', key)) === null)
    t.equal(await client.call('SET', key, 3), 'OK')
  },
)

t.test('a proxy whose upstream is away answers at once, and recovers by itself', async (t) => {
  const [basePort] = await findPorts(3, true)
  const upstream = [0, 1, 2].map((i) => `127.0.0.1:${basePort! + i}`)
  const proxy = await startTestProxy(t, { upstream, waitUntilReady: false })
  const client = await connect(t, proxy.port)
  t.equal(proxy.ready, false)
  for (const command of [
    ['GET', 'k'],
    ['SET', 'k', 1],
    ['NOSUCHCOMMAND'],
    ['INFO'],
    ['TQ.POS', 'event', 'token'],
  ]) {
    const began = performance.now()
    t.match(messageOf(await client.call(...command)), /^CLUSTERDOWN /, String(command[0]))
    t.ok(performance.now() - began < 200, `${Math.round(performance.now() - began)} ms`)
  }
  t.equal(await client.call('PING'), 'PONG')
  t.match(await client.call('HELLO', 3), new Map([['proto', 3]]))
  const cluster = await startRedisCluster({ basePort: basePort! })
  t.teardown(() => cluster.stop())
  await proxy.whenReady()
  await waitFor('the first write', async () => (await client.call('SET', randomName(), 1)) === 'OK')
})

t.test('a cluster of one node is served although it does not know its address, and may grow', async (t) => {
  const cluster = await ownCluster(t, { masters: 1, config: ['cluster-announce-ip ""'] })
  const proxy = await startTestProxy(t, { upstream: [...cluster.addresses], topologyRefreshMs: 100 })
  const client = await connect(t, proxy.port)
  const key = keyOf(2)
  t.equal(await client.call('SET', key, 1), 'OK')
  t.match(messageOf(await client.call('SUNION', keyOf(0), keyOf(1))), /^CROSSSLOT /)
  const larger = await ownCluster(t, { masters: 1 })
  const [first, second] = [await connect(t, cluster.nodes[0]!.port), await connect(t, larger.nodes[0]!.port)]
  await second.call('CLUSTER', 'RESET', 'HARD')
  await second.call('CLUSTER', 'MEET', '127.0.0.1', cluster.nodes[0]!.port)
  await waitFor('them to meet', async () =>
    /cluster_known_nodes:2/.test(String(await first.call('CLUSTER', 'INFO'))),
  )
  await waitFor('the other to know all slots', async () =>
    /cluster_state:ok/.test(String(await second.call('CLUSTER', 'INFO'))),
  )
  const slot = keySlot(Buffer.from(key))
  const id = String(await second.call('CLUSTER', 'MYID'))
  await first.call('DEL', key)
  await second.call('CLUSTER', 'SETSLOT', slot, 'NODE', id)
  await first.call('CLUSTER', 'SETSLOT', slot, 'NODE', id)
  t.equal(await client.call('SET', key, 2), 'OK')
  t.equal(await second.call('GET', key), '2')
  await waitFor('the topology', () =>
    proxy.log.some(
      ({ message, fields }) => message === 'topology changed' && (fields.masters as string[]).length === 2,
    ),
  )
})

t.test('a standalone Redis is served as well, keys of several slots included', async (t) => {
  const redis = await ownRedis(t)
  const proxy = await startTestProxy(t, { upstream: [redis.address] })
  const client = await connect(t, proxy.port)
  const keys = [keyOf(0), keyOf(1), keyOf(2)]
  t.equal(await client.call('MSET', keys[0]!, 'a', keys[1]!, 'b', keys[2]!, 'c'), 'OK')
  t.same(await client.call('MGET', ...keys), ['a', 'b', 'c'])
  t.same(await client.call('SUNION', randomName(), randomName()), [])
  t.equal(await client.call('RENAME', keys[0]!, keys[1]!), 'OK')

  t.test('and again after a restart', async (t) => {
    await redis.restart()
    await waitFor('it to be back', async () => (await client.call('SET', keys[0]!, 'new')) === 'OK')
    t.same(await client.call('MGET', ...keys), ['new', null, null])
  })
})

t.test(
  'a node that hangs holds up its own commands alone, and is given up after upstreamTimeoutMs',
  async (t) => {
    const cluster = await ownCluster(t, { nodeTimeoutMs: 60_000 })
    const proxy = await startTestProxy(t, {
      upstream: [...cluster.addresses],
      upstreamTimeoutMs: 500,
      connectTimeoutMs: 300,
      retryDeadlineMs: 1200,
    })
    const [hung, well] = [keyOf(0), keyOf(1)]
    const client = await connect(t, proxy.port)
    const other = await connect(t, proxy.port)
    await pipeline(client, [
      ['SET', hung, 'before'],
      ['SET', well, 'before'],
    ])
    await cluster.kill(0, 'SIGSTOP')
    t.teardown(() => cluster.kill(0, 'SIGCONT'))
    const began = performance.now()
    const pending = pipeline(client, [['GET', hung], ['SET', hung, 'during'], ['GET', well], ['PING']])
    for (let i = 0; i < 50; i++) t.equal(await other.call('INCR', `{${well}}n`), i + 1)
    t.ok(performance.now() - began < 400, 'commands for other nodes do not wait')
    const replies = await pending
    const took = performance.now() - began
    t.match(messageOf(replies[0]), /^CLUSTERDOWN /, 'the read was tried again until its deadline')
    t.match(messageOf(replies[1]), /^UNCERTAIN /, 'the write may have happened')
    t.equal(replies[2], 'before')
    t.equal(replies[3], 'PONG')
    t.ok(took > 450 && took < 5000, `after ${Math.round(took)} ms`)
    await cluster.kill(0, 'SIGCONT')
    await waitFor('the node to answer', async () => !((await client.call('GET', hung)) instanceof Error))
    t.match(await client.call('GET', hung), /^(before|during)$/, 'and no late reply is in the way')
    const values = Array.from({ length: 50 }, (_, i) => `value-${i}`)
    t.same(
      await pipeline(
        client,
        values.map((value) => ['SET', hung, value]),
      ),
      Array(50).fill('OK'),
    )
    t.equal(await client.call('GET', hung), 'value-49')
  },
)

t.test('replies that wait behind a slow one count against the limit for output', async (t) => {
  const cluster = await ownCluster(t, { nodeTimeoutMs: 60_000 })
  const limit = 4 * 1024 * 1024
  const proxy = await startTestProxy(t, { upstream: [...cluster.addresses], clientOutputBufferLimit: limit })
  const [hung, large] = [keyOf(0), keyOf(1)]
  const client = await connect(t, proxy.port)
  const other = await connect(t, proxy.port)
  await client.call('SET', large, Buffer.alloc(50_000, 'x'))
  await client.call('SET', hung, 1)
  await cluster.kill(0, 'SIGSTOP')
  t.teardown(() => cluster.kill(0, 'SIGCONT'))
  await client.send(Buffer.concat([encode('GET', hung), ...Array(200).fill(encode('GET', large))]))
  const began = performance.now()
  await client.closed
  t.ok(performance.now() - began < 5000, 'long before the slow one is given up')
  t.match(proxy.log.find((line) => line.message === 'client disconnected')?.fields, {
    reason: 'client output buffer limit reached',
  })
  t.equal(await other.call('STRLEN', large), 50_000)
})

t.test('a great many commands in flight at a node that dies do not stop the world', async (t) => {
  const cluster = await ownCluster(t, { nodeTimeoutMs: 60_000 })
  const proxy = await startTestProxy(t, { upstream: [...cluster.addresses], retryDeadlineMs: 1000 })
  const keys = Array.from({ length: 9000 }, () => keyOf(0))
  const client = await connect(t, proxy.port)
  await pipeline(
    client,
    keys.slice(0, 10).map((key) => ['GET', key]),
  )
  await cluster.kill(0, 'SIGSTOP')
  const replies = pipeline(
    client,
    keys.map((key) => ['GET', key]),
  )
  const other = await connect(t, proxy.port)
  const well = keyOf(1)
  await waitFor(
    'the commands to be out',
    async () =>
      Number(/tq_upstream_in_flight:(\d+)/.exec(String(await other.call('INFO', 'tq')))?.[1]) >= 8000,
  )
  await cluster.kill(0)
  let slowest = 0
  let done = false
  const all = replies.then((values) => {
    done = true
    return values
  })
  while (!done) {
    const began = performance.now()
    await other.call('GET', well)
    slowest = Math.max(slowest, performance.now() - began)
  }
  const values = await all
  t.equal(values.length, 9000)
  t.same(
    values
      .slice(1000)
      .map(messageOf)
      .filter((message) => !message.startsWith('CLUSTERDOWN '))
      .slice(0, 5),
    [],
  )
  t.ok(slowest < 1000, `another client waited ${Math.round(slowest)} ms at most`)
})
