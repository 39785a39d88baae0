// From a client's bytes to a node and back: right, in order, and unharmed by what other clients do.

import { readdirSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import t, { type Test } from 'tap'
import { keySlot } from '../src/routing/slots.ts'
import { ownRedis, randomName, sharedRedis, waitFor } from './fixtures/cluster.ts'
import { type ProxyOverrides, startTestProxy } from './fixtures/proxy.ts'
import { encode, parse, type RawClient, rawClient } from './fixtures/raw-client.ts'

type Word = string | number | Buffer

function portOf(address: string): number {
  return Number(address.split(':')[1])
}

async function connect(t: Test, port: number, timeoutMs = 20_000): Promise<RawClient> {
  const client = await rawClient(port, '127.0.0.1', timeoutMs)
  t.teardown(client.destroy)
  return client
}

async function proxyAndClient(t: Test, overrides: ProxyOverrides = {}) {
  const proxy = await startTestProxy(t, overrides)
  return { proxy, client: await connect(t, proxy.port) }
}

/** Numbers that look random and are the same in every run. */
function sequence(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state >>> 8) % below
  }
}

/**
 * Commands of all kinds whose replies depend on nothing but the commands themselves: no clock, and no order
 * that Redis leaves to chance.
 */
function mixedCommands(count: number, prefix: string, seed: number): Word[][] {
  const random = sequence(seed)
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const key = (kind: string): string => `${prefix}:${kind}:${random(60)}`
  const value = (): Word => {
    switch (random(4)) {
      case 0:
        return binary
      case 1:
        return '\r\n+OK\r\n$-1\r\n'
      case 2:
        return 'v'.repeat(random(3000))
      default:
        return random(1000)
    }
  }
  let ids = 0
  const makers: (() => Word[])[] = [
    () => ['SET', key('str'), value()],
    () => ['GET', key('str')],
    () => ['GET', key('none')],
    () => ['APPEND', key('str'), 'x'],
    () => ['STRLEN', key('str')],
    () => ['GETRANGE', key('str'), 2, 200],
    () => ['SET', key('str'), 'z', 'NX', 'GET'],
    () => ['INCR', key('num')],
    () => ['INCRBYFLOAT', key('num'), '1'],
    () => ['INCR', key('hash')],
    // Small fields only: a hash of large ones comes in an order of its own in each server.
    () => ['HSET', key('hash'), random(9), '\r\n', `f${random(9)}`, random(99)],
    () => ['HGETALL', key('hash')],
    () => ['HSET', key('large-hash'), random(3), value(), 'bytes', binary],
    () => ['HMGET', key('large-hash'), 0, 'bytes'],
    () => ['HMGET', key('hash'), 1, 2, 'f3', 'none'],
    () => ['HINCRBY', key('hash'), 'n', 3],
    () => ['RPUSH', key('list'), value(), random(10)],
    () => ['LRANGE', key('list'), -5, -1],
    () => ['LPOP', key('list'), 2],
    () => ['LPOS', key('list'), random(10), 'COUNT', 0],
    () => ['SADD', key('set'), random(50), random(50)],
    () => ['SMEMBERS', key('set')],
    () => ['SMISMEMBER', key('set'), 1, 2, 3],
    () => ['SISMEMBER', key('list'), 1],
    () => ['ZADD', key('zset'), 'CH', random(100) / 8, `m${random(30)}`, random(10), `m${random(30)}`],
    () => ['ZRANGE', key('zset'), 0, -1, 'WITHSCORES'],
    () => ['ZSCORE', key('zset'), 'm3'],
    () => ['ZPOPMIN', key('zset')],
    () => ['ZMPOP', 1, key('zset'), 'MAX', 'COUNT', 2],
    () => ['ZADD', key('zset'), 'INCR', '+inf', 'top'],
    () => ['XADD', key('stream'), `${++ids}-0`, 'field', value()],
    () => ['XRANGE', key('stream'), '-', '+', 'COUNT', 3],
    () => ['XREAD', 'COUNT', 2, 'STREAMS', key('stream'), '0'],
    () => ['XLEN', key('stream')],
    () => ['SETBIT', key('bits'), random(100), 1],
    () => ['BITFIELD', key('bits'), 'GET', 'u8', 0, 'INCRBY', 'i5', 100, 1],
    () => ['PFADD', key('hll'), random(100)],
    () => ['PFCOUNT', key('hll')],
    () => ['GEOADD', key('geo'), 13.361389, 38.115556, `place${random(5)}`],
    () => ['GEOPOS', key('geo'), 'place1', 'none'],
    () => ['TYPE', key('zset')],
    () => ['DEL', key('hash')],
    () => ['EXISTS', key('list')],
    () => ['TTL', key('str')],
    () => ['OBJECT', 'ENCODING', key('num')],
    () => ['EVAL', "return {KEYS[1], ARGV[1], 7, false, redis.status_reply('FINE')}", 1, key('str'), binary],
    () => ['EVAL', "return redis.error_reply('OOPS on purpose')", 1, key('str')],
    () => ['GET'],
    () => ['SET', key('str'), 'a', 'b', 'c'],
    () => ['NOSUCHCOMMAND', key('str'), 'x'],
    () => ['OBJECT', 'NOSUCHTHING', 'x'],
    () => ['PING'],
    () => ['PING', value()],
    () => ['ECHO', binary],
    () => ['SELECT', 0],
    () => ['SELECT', 'x'],
    () => ['CLIENT', 'SETNAME', `name-${random(9)}`],
    () => ['CLIENT', 'GETNAME'],
    () => ['EXEC'],
    () => ['ECHO'],
  ]
  return Array.from({ length: count }, () => makers[random(makers.length)]!())
}

function excerpt(frame: Buffer): string {
  return JSON.stringify(frame.toString('latin1', 0, 200))
}

/** All bytes that a server answers to the commands. */
async function answersOf(t: Test, port: number, commands: Word[][], protocol: 2 | 3): Promise<Buffer[]> {
  const client = await connect(t, port)
  if (protocol === 3) await client.command('HELLO', 3)
  const replies = client.replies(commands.length)
  await client.send(Buffer.concat(commands.map((command) => encode(...command))))
  return replies
}

for (const protocol of [2, 3] as const) {
  t.test(
    `10,000 mixed commands over all shards get the bytes of one Redis, on RESP${protocol}`,
    async (t) => {
      const proxy = await startTestProxy(t)
      const commands = mixedCommands(10_000, randomName('mixed'), 1_000 + protocol)
      const [expected, found] = await Promise.all([
        answersOf(t, portOf(await sharedRedis()), commands, protocol),
        answersOf(t, proxy.port, commands, protocol),
      ])
      const differences = expected.flatMap((frame, i) =>
        frame.equals(found[i]!)
          ? []
          : [`${i}: ${commands[i]!.join(' ').slice(0, 80)}: ${excerpt(found[i]!)} for ${excerpt(frame)}`],
      )
      t.same(differences.slice(0, 5), [])
      const slots = new Set(
        commands
          .filter(({ length }) => length > 1)
          .map((words) => keySlot(Buffer.from(String(words[1]))) >> 12),
      )
      t.equal(slots.size, 4, 'every quarter of the slots was asked')
    },
  )
}

t.test('a large reply that the proxy rewrites waits for its turn as a whole', async (t) => {
  const { client } = await proxyAndClient(t)
  const key = randomName()
  const busy =
    "local a = redis.call('TIME') repeat local b = redis.call('TIME') until (b[1] - a[1]) * 1000000 + b[2] - a[2] > ARGV[1] + 0 return ARGV[1]"
  const alone = (await client.command('COMMAND', 'DOCS')).length
  t.ok(alone > 128 * 1024, 'it comes in pieces')
  // The one before it ends sooner or later than its first piece comes.
  for (let micros = 0; micros < 10_000; micros += 250) {
    const replies = client.replies(3)
    await client.send(
      Buffer.concat([
        encode('EVAL', busy, 1, `${key}${micros}`, micros),
        encode('COMMAND', 'DOCS'),
        encode('PING'),
      ]),
    )
    const [first, docs, ping] = await replies
    if (parse(first!) === String(micros) && docs!.length === alone && parse(ping!) === 'PONG') continue
    t.fail(`${excerpt(first!)} ${excerpt(docs!)} ${excerpt(ping!)}`)
    break
  }
})

t.test('HELLO 3 in the middle of a pipeline switches exactly at its reply', async (t) => {
  const { client } = await proxyAndClient(t)
  const key = randomName()
  const steps: Word[][] = [
    ['HSET', key, 'f', 'v'],
    ['HGETALL', key],
    ['GET', `${key}-none`],
    ['HELLO', 3],
    ['HGETALL', key],
    ['CLIENT', 'SETINFO', 'LIB-NAME', 'test'],
    ['GET', `${key}-none`],
    ['CLIENT', 'GETNAME'],
    ['HELLO', 2],
    ['CLIENT', 'GETNAME'],
    ['HGETALL', key],
  ]
  const replies = client.replies(steps.length)
  await client.send(Buffer.concat(steps.map((step) => encode(...step))))
  const texts = (await replies).map(String)
  const resp2 = '*2\r\n$1\r\nf\r\n$1\r\nv\r\n'
  t.equal(texts[1], resp2)
  t.equal(texts[2], '$-1\r\n')
  const hello = parse(Buffer.from(texts[3]!)) as Map<string, unknown>
  t.match(Object.fromEntries(hello), {
    server: 'redis',
    version: /^\d+\./,
    proto: 3,
    mode: 'standalone',
    role: 'master',
    modules: [],
  })
  t.type(hello.get('id'), 'number')
  t.equal(texts[4], '%1\r\n$1\r\nf\r\n$1\r\nv\r\n')
  t.equal(texts[6], '_\r\n')
  t.equal(texts[7], '_\r\n')
  t.match(texts[8], /^\*14\r\n/)
  t.equal(texts[9], '$-1\r\n')
  t.equal(texts[10], resp2)
})

t.test(
  'keys of several slots are refused in the words of Redis Cluster, and the connection goes on',
  async (t) => {
    const { client } = await proxyAndClient(t)
    const key = randomName()
    for (const command of [
      ['SUNION', `{${key}1}`, `{${key}2}`],
      ['RENAME', `{${key}1}`, `{${key}2}`],
      ['EVAL', 'return 1', 2, `{${key}1}`, `{${key}2}`],
      ['ZUNIONSTORE', `{${key}1}`, 2, `{${key}1}`, `{${key}2}`],
      ['SORT', `{${key}1}`, 'STORE', `{${key}2}`],
    ]) {
      t.equal(
        String(await client.command(...command)),
        "-CROSSSLOT Keys in request don't hash to the same slot\r\n",
        command.join(' '),
      )
    }
    t.same(await client.call('SUNION', `{${key}}1`, `{${key}}2`), [])
  },
)

t.test('what does not pass is refused at once, in its place, and the connection goes on', async (t) => {
  const { client } = await proxyAndClient(t)
  const key = randomName()
  const commands: Word[][] = [
    ['SET', key, 1],
    ['SHUTDOWN', 'NOSAVE'],
    ['INCR', key],
    ['DEBUG', 'SLEEP', 0],
    ['REPLICAOF', 'NO', 'ONE'],
    ['CONFIG', 'SET', 'maxmemory', 1],
    ['ACL', 'SETUSER', 'x'],
    ['BGSAVE'],
    ['INCR', key],
  ]
  const replies = client.replies(commands.length)
  await client.send(Buffer.concat(commands.map((command) => encode(...command))))
  const texts = (await replies).map(String)
  t.equal(texts[0], '+OK\r\n')
  t.equal(texts[2], ':2\r\n')
  t.equal(texts[8], ':3\r\n')
  for (const i of [1, 3, 4, 5, 6, 7]) {
    t.match(texts[i], /^-NOPERM '[a-z ]+' is not allowed through tq-proxy\r\n$/, commands[i]!.join(' '))
  }
})

t.test('a client that has said all it wants gets its replies, then the end', async (t) => {
  const key = randomName()
  for (const maxPipelineDepth of [10_000, 7]) {
    const { port } = await startTestProxy(t, { maxPipelineDepth })
    const client = await connect(t, port)
    client.socket.end(Buffer.concat(Array.from({ length: 500 }, (_, i) => encode('SET', `${key}${i}`, i))))
    await client.closed
    t.equal(client.unread().toString(), '+OK\r\n'.repeat(500), `at most ${maxPipelineDepth} at a time`)
  }
})

t.test(
  'clients that vanish with commands in flight harm nobody, and no reply reaches another client',
  async (t) => {
    const proxy = await startTestProxy(t)
    const key = randomName()
    const rounds = 12
    let wrong = 0
    let answered = 0
    const live = async (name: string): Promise<void> => {
      const client = await connect(t, proxy.port)
      for (let round = 0; round < rounds; round++) {
        const nonces = Array.from({ length: 40 }, (_, i) => `${name}/${round}/${i}`)
        const replies = client.replies(nonces.length)
        await client.send(
          Buffer.concat(
            nonces.map((nonce, i) =>
              i % 5 === 0
                ? encode('PING', nonce)
                : encode('EVAL', 'return ARGV[1]', 1, `${key}${nonce}`, nonce),
            ),
          ),
        )
        for (const [i, frame] of (await replies).entries()) {
          answered++
          if (parse(frame) !== nonces[i]) wrong++
        }
      }
      client.destroy()
    }
    const vanish = async (name: string): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        const client = await connect(t, proxy.port)
        const commands = Array.from({ length: 40 }, (_, i) =>
          encode('EVAL', 'return ARGV[1]', 1, `${key}${name}${i}`, `LOST/${name}/${round}/${i}`),
        )
        // Cut in the middle of a command now and then.
        const bytes = Buffer.concat(commands)
        await client.send(round % 2 === 0 ? bytes : bytes.subarray(0, bytes.length - 9))
        if (round % 3 === 0) client.socket.resetAndDestroy()
        else client.destroy()
      }
    }
    await Promise.all([
      ...Array.from({ length: 20 }, (_, i) => live(`live-${i}`)),
      ...Array.from({ length: 10 }, (_, i) => vanish(`gone-${i}`)),
    ])
    t.equal(answered, 20 * rounds * 40)
    t.equal(wrong, 0)
  },
)

t.test(
  'a client that does not take its replies is disconnected for that reason, and no one else',
  async (t) => {
    const { proxy, client: other } = await proxyAndClient(t, { clientOutputBufferLimit: 1024 * 1024 })
    const key = randomName()
    await other.command('SET', key, 'x'.repeat(100_000))
    const slow = await connect(t, proxy.port)
    slow.socket.pause()
    // More than the kernel's buffers hold.
    await slow.send(encode('GET', key).toString().repeat(400))
    await waitFor('the slow reader to be disconnected', async () => {
      t.equal(await other.call('PING', 'still here'), 'still here')
      t.equal(await other.call('STRLEN', key), 100_000)
      return proxy.log.some((line) => line.message === 'client disconnected')
    })
    t.match(
      proxy.log.filter((line) => line.message === 'client disconnected').map((line) => line.fields),
      [{ reason: 'client output buffer limit reached', address: /^127\.0\.0\.1:\d+$/ }],
    )
    t.test('local answers count as well', async (t) => {
      const talker = await connect(t, proxy.port)
      talker.socket.pause()
      talker.send(encode('ECHO', 'x'.repeat(1000)).toString().repeat(20_000)).catch(() => {})
      const gone = (): number => proxy.log.filter((line) => line.message === 'client disconnected').length
      t.ok(await waitFor('the second one to be disconnected', () => gone() === 2))
    })
  },
)

t.test('a pipeline deeper than the limit is read bit by bit and loses nothing', async (t) => {
  const { client } = await proxyAndClient(t, { maxPipelineDepth: 10 })
  const key = randomName()
  const count = 3000
  const commands = Array.from({ length: count }, (_, i) =>
    i % 10 === 9 ? encode('CLIENT', 'INFO') : encode('INCR', `${key}${i % 7}`),
  )
  const replies = client.replies(count)
  await client.send(Buffer.concat(commands))
  const seen = new Array(7).fill(0)
  let deepest = 0
  let wrong = 0
  for (const [i, frame] of (await replies).entries()) {
    if (i % 10 === 9) deepest = Math.max(deepest, Number(/pending=(\d+)/.exec(String(frame))![1]))
    else if (parse(frame) !== ++seen[i % 7]) wrong++
  }
  t.equal(wrong, 0)
  t.ok(deepest > 0 && deepest <= 10, `${deepest} commands at most were waiting`)
})

t.test('a fast writer of more than the byte limit loses nothing', async (t) => {
  const { client } = await proxyAndClient(t, { maxPipelineBytes: 64 * 1024 })
  const key = randomName()
  const bytes = Buffer.concat(
    Array.from({ length: 2000 }, (_, i) =>
      encode('SET', `${key}${i % 50}`, `${i}`.padEnd(10_000, '.'), 'EX', 100),
    ),
  )
  const replies = client.replies(2000)
  client.send(bytes).catch(() => {})
  t.ok((await replies).every((frame) => frame.equals(Buffer.from('+OK\r\n'))))
  t.match(await client.call('GET', `${key}7`), /^1957\./)
})

t.test('one client too many is told so, does not stay, and may come when another has left', async (t) => {
  const proxy = await startTestProxy(t, { maxClients: 2 })
  const [first] = [await connect(t, proxy.port), await connect(t, proxy.port)]
  t.equal(await first!.call('PING'), 'PONG')
  const third = await connect(t, proxy.port)
  await third.closed
  t.equal(third.unread().toString(), '-ERR max number of clients reached\r\n')
  t.equal(await first!.call('PING'), 'PONG')
  first!.destroy()
  await waitFor('room for another', async () => {
    const next = await connect(t, proxy.port)
    const reply = await next.call('PING').catch(() => null)
    return reply === 'PONG'
  })

  t.test('however many there are, none leaves anything behind', async (t) => {
    const openFiles = (): number => readdirSync('/proc/self/fd').length
    const before = openFiles()
    for (let i = 0; i < 50; i++) {
      const refused = await connect(t, proxy.port)
      await refused.closed
    }
    t.ok(await waitFor('their sockets to be closed', () => openFiles() <= before + 5))
  })
})

t.test('a refused client that does not hang up does not keep the proxy from stopping', async (t) => {
  const proxy = await startTestProxy(t, { maxClients: 1 })
  const first = await connect(t, proxy.port)
  await first.call('PING')
  const stubborn = await rawClient(proxy.port)
  // Half of it stays open, as with a peer that has lost its way.
  stubborn.socket.allowHalfOpen = true
  await stubborn.until('reached\r\n')
  first.destroy()
  const began = Date.now()
  await proxy.stop()
  t.ok(Date.now() - began < 5000, `stopped after ${Date.now() - began} ms`)
  stubborn.destroy()
})

t.test('50 MB go in and out as they are while small commands of others go on', async (t) => {
  const { proxy, client: large } = await proxyAndClient(t)
  const key = randomName()
  const value = Buffer.alloc(50 * 1024 * 1024)
  for (let i = 0; i < value.length; i += 4) value.writeInt32LE(Math.imul(i, 2_654_435_761), i)
  const small = await connect(t, proxy.port)
  let busy = true
  let roundTrips = 0
  let longest = 0
  const others = (async () => {
    while (busy) {
      const began = performance.now()
      t.equal(await small.call('SET', `{${key}}small`, roundTrips), 'OK')
      longest = Math.max(longest, performance.now() - began)
      roundTrips++
    }
  })()
  const [set, between, get, after] = [
    large.command('SET', key, value, 'EX', 60),
    large.command('STRLEN', key),
    large.command('GET', key),
    large.command('PING'),
  ]
  t.equal(String(await set), '+OK\r\n')
  t.equal(String(await between), `:${value.length}\r\n`)
  const frame = await get
  busy = false
  await others
  t.equal(String(await after), '+PONG\r\n')
  const header = `$${value.length}\r\n`
  t.equal(frame.length, header.length + value.length + 2)
  t.equal(frame.toString('latin1', 0, header.length), header)
  t.ok(frame.subarray(header.length, -2).equals(value), 'every byte')
  t.ok(roundTrips >= 5, `${roundTrips} small commands meanwhile, the slowest took ${Math.round(longest)} ms`)
  await large.command('DEL', key)
})

t.test('values of all sizes around the limits of buffers come back as they went', async (t) => {
  const { proxy, client } = await proxyAndClient(t)
  const key = randomName()
  const sizes = [
    0, 1, 8191, 8192, 16_383, 32_767, 32_768, 65_511, 65_535, 65_536, 65_537, 131_072, 200_001, 1_048_576,
    1_100_000,
  ]
  const commands = sizes.flatMap((size, i) => {
    const value = Buffer.alloc(size, `${size}-`)
    return [
      encode('SET', `${key}${i}`, value, 'EX', 60),
      encode('GET', `${key}${i}`),
      encode('STRLEN', `${key}${i}`),
    ]
  })
  for (const reader of [client, await connect(t, proxy.port)]) {
    if (reader !== client) await reader.command('HELLO', 3)
    const replies = reader.replies(commands.length)
    reader.send(Buffer.concat(commands)).catch(() => {})
    const frames = await replies
    for (const [i, size] of sizes.entries()) {
      const value = Buffer.alloc(size, `${size}-`)
      t.equal(String(frames[i * 3]), '+OK\r\n')
      t.ok(
        frames[i * 3 + 1]!.equals(Buffer.concat([Buffer.from(`$${size}\r\n`), value, Buffer.from('\r\n')])),
        `${size} bytes`,
      )
      t.equal(String(frames[i * 3 + 2]), `:${size}\r\n`)
    }
  }
})

const outside = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address

t.test(
  'without a password, only clients of this machine are let in',
  { skip: outside === undefined && 'this machine has no address but its loopback one' },
  async (t) => {
    const listen = '0.0.0.0:0'
    const guarded = await startTestProxy(t, { listen })
    const stranger = await rawClient(guarded.port, outside)
    await stranger.closed
    t.match(stranger.unread().toString(), /^-DENIED tq-proxy is running in protected mode [^\n]*\r\n$/)
    t.equal(await (await connect(t, guarded.port)).call('PING'), 'PONG')
    for (const settings of [{ requirepass: 'sesame' }, { protectedMode: false }]) {
      const open = await startTestProxy(t, { listen, ...settings })
      const welcome = await rawClient(open.port, outside)
      t.teardown(welcome.destroy)
      t.match(String(await welcome.command('PING')), 'requirepass' in settings ? /^-NOAUTH/ : /^\+PONG/)
    }
  },
)

t.test('a password is asked for, checked and remembered as in Redis', async (t) => {
  const password = 'open sesame'
  const [proxy, redis] = await Promise.all([
    startTestProxy(t, { requirepass: password }),
    ownRedis(t, { password }),
  ])
  const key = randomName()
  const steps: Word[][] = [
    ['PING'],
    ['GET', key],
    ['CLIENT', 'ID'],
    ['AUTH'],
    ['AUTH', 'wrong'],
    ['AUTH', 'nobody', password],
    ['AUTH', 'default', 'wrong', 'more'],
    ['HELLO', 3],
    ['HELLO', 4],
    ['HELLO', 'x'],
    ['HELLO', 3, 'AUTH', 'default', 'wrong'],
    ['HELLO', 3, 'AUTH', 'default'],
    ['GET', key],
    ['AUTH', password],
    ['GET', key],
    ['AUTH', 'wrong'],
    ['GET', key],
    ['RESET'],
    ['GET', key],
    ['AUTH', 'default', password],
    ['PING'],
    ['HELLO', 3, 'SETNAME', 'a b'],
    ['HELLO', 3, 'SETNAME', 'me'],
    ['CLIENT', 'GETNAME'],
    ['GET', key],
    ['QUIT'],
    ['PING', 'not answered any more'],
  ]
  const bytes = Buffer.concat(steps.map((step) => encode(...step)))
  const answers = async (port: number): Promise<string[]> => {
    const client = await connect(t, port)
    const replies = client.replies(steps.length - 1)
    await client.send(bytes)
    const texts = (await replies).map(String)
    await client.closed
    return [...texts, client.unread().toString()]
  }
  const [expected, found] = await Promise.all([answers(redis.port), answers(proxy.port)])
  for (const [i, step] of steps.entries()) {
    // HELLO's reply tells who and which version it is, and versions word its refusal differently.
    const opening = /^(%|-NOAUTH HELLO must be called )/.exec(expected[i]!)?.[0]
    if (opening === '%') t.match(found[i], /^%7\r\n\$6\r\nserver/, step.join(' '))
    else if (opening !== undefined) t.equal(found[i]!.slice(0, opening.length), opening, 'HELLO 3')
    else t.equal(found[i], expected[i], step.join(' '))
  }
  t.equal(
    proxy.log.filter((line) => line.message === 'wrong password').length,
    4,
    'each failed try is logged',
  )
  t.notOk(JSON.stringify(proxy.log).includes('sesame'), 'and no password is')

  t.test('whatever is asked before that, the answer is the same', async (t) => {
    const client = await connect(t, proxy.port)
    for (const command of [
      ['NOSUCHCOMMAND'],
      ['CLIENT', 'NOSUCHTHING'],
      ['TQ.POS', 'e', 't'],
      ['SHUTDOWN'],
      ['COMMAND'],
    ]) {
      t.equal(String(await client.command(...command)), '-NOAUTH Authentication required.\r\n', command[0])
    }
  })
})

t.test('AUTH without any password configured is answered as Redis answers it', async (t) => {
  const proxy = await startTestProxy(t)
  const steps: Word[][] = [
    ['AUTH', 'x'],
    ['AUTH', 'default', 'x'],
    ['AUTH', 'nobody', 'x'],
    ['AUTH', 'a', 'b', 'c'],
    ['PING'],
  ]
  const [expected, found] = await Promise.all([
    answersOf(t, portOf(await sharedRedis()), steps, 2),
    answersOf(t, proxy.port, steps, 2),
  ])
  t.same(found.map(String), expected.map(String))
})
