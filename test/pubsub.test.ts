// Pub/sub: one subscription at the nodes for all clients of a proxy, and every client as if it had Redis alone.

import { createClient } from '@redis/client'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import { ownCluster, randomName, sharedCluster, sharedRedis, waitFor } from './fixtures/cluster.ts'
import { slotMover } from './fixtures/move-slots.ts'
import { startTestProxy } from './fixtures/proxy.ts'
import { encode, parse, type RawClient, rawClient } from './fixtures/raw-client.ts'

async function open(t: Test, port: number, protocol: 2 | 3 = 2): Promise<RawClient> {
  const client = await rawClient(port)
  t.teardown(() => client.destroy())
  if (protocol === 3) await client.command('HELLO', 3)
  return client
}

/** Connections straight to nodes. */
function direct(t: Test, addresses: readonly string[]): Redis[] {
  return addresses.map((address) => {
    const [host, port] = address.split(':')
    const node = new Redis(Number(port), host, { retryStrategy: () => 50 })
    node.on('error', () => {})
    t.teardown(() => node.disconnect())
    return node
  })
}

/** How many subscribers of a channel the nodes count, all together. */
async function countAtNodes(nodes: readonly Redis[], name: string, command = 'NUMSUB'): Promise<number> {
  let count = 0
  for (const node of nodes) count += ((await node.call('PUBSUB', command, name)) as [string, number])[1]
  return count
}

function message(protocol: 2 | 3, ...words: (string | Buffer)[]): Buffer {
  const frame = encode(...words)
  if (protocol === 3) frame[0] = '>'.charCodeAt(0)
  return frame
}

test('a published message reaches the subscribers of every proxy, whatever client and protocol', async (t) => {
  const [one, two] = [await startTestProxy(t), await startTestProxy(t)]
  const channel = randomName('news')
  const got: [string, string, string][] = []
  for (const protocol of [2, 3] as const) {
    for (const { port } of [one, two]) {
      const who = `${protocol}:${port}`
      const ioredis = new Redis(port, '127.0.0.1', { protocol })
      t.teardown(() => ioredis.disconnect())
      ioredis.on('message', (on, text) => got.push([`ioredis ${who}`, on, text]))
      ioredis.on('pmessage', (pattern, on, text) => got.push([`ioredis ${who} ${pattern}`, on, text]))
      t.equal(await ioredis.subscribe(channel), 1)
      t.equal(await ioredis.psubscribe(`${channel}*`), 2)
      const node = createClient({ RESP: protocol, socket: { host: '127.0.0.1', port } })
      node.on('error', () => {})
      await node.connect()
      t.teardown(() => node.destroy())
      await node.subscribe(channel, (text, on) => got.push([`node-redis ${who}`, on, text]))
    }
  }
  const publishers = [one, two].map(({ port }) => new Redis(port, '127.0.0.1', { protocol: 3 }))
  t.teardown(() => {
    for (const publisher of publishers) publisher.disconnect()
  })
  for (const [i, publisher] of publishers.entries())
    for (let n = 0; n < 50; n++) await publisher.publish(channel, `${i} ${n}`)
  await waitFor('all messages', () => got.length >= 12 * 100)
  const expected = [0, 1].flatMap((i) => Array.from({ length: 50 }, (_, n) => `${i} ${n}`))
  const receivers = new Set(got.map(([who]) => who))
  t.equal(receivers.size, 12)
  for (const receiver of receivers) {
    const texts = got.filter(([who]) => who === receiver).map(([, , text]) => text)
    t.strictSame(texts, expected, `${receiver} got all in order`)
  }
})

for (const protocol of [2, 3] as const) {
  test(`a RESP${protocol} client gets the bytes that Redis would give it`, async (t) => {
    const { port } = await startTestProxy(t)
    const redis = Number((await sharedRedis()).split(':')[1])
    const mark = randomName('c')
    const a = `${mark}-a`
    const b = Buffer.concat([Buffer.from(`${mark}-b`), Buffer.from([0, 255, 13, 10, 128])])
    const scripts: (string | Buffer)[][][] = [
      [['UNSUBSCRIBE'], ['PUNSUBSCRIBE', 'x'], ['SUNSUBSCRIBE'], ['PING', 'early']],
      [
        ['SUBSCRIBE', a, b, a],
        ['PSUBSCRIBE', `${mark}*`, '?'],
        ['SSUBSCRIBE', `{${mark}}1`, `{${mark}}2`],
        ['SUBSCRIBE', a],
        ['PING'],
        ['ping', 'x y'],
      ],
      ...(protocol === 3
        ? [
            [
              ['GET', mark],
              ['ECHO', 'x'],
            ],
          ]
        : [
            [
              ['GET', mark],
              ['get'],
              ['CLIENT', 'ID'],
              ['MULTI'],
              ['HELLO', '3'],
              ['publish', a, 'x'],
              ['NOSUCH'],
            ],
            [['CLIENT'], ['PUBSUB', 'CHANNELS'], ['CONFIG', 'GET', 'save'], ['Set', 'a', 'b']],
          ]),
      [['SUBSCRIBE'], ['PSUBSCRIBE'], ['SSUBSCRIBE']],
      [['UNSUBSCRIBE', b, 'never'], ['UNSUBSCRIBE'], ['SUNSUBSCRIBE', `{${mark}}1`], ['SUNSUBSCRIBE']],
      [['PUNSUBSCRIBE', '?'], ['PUNSUBSCRIBE'], ['PING'], ['GET', mark]],
      [['SUBSCRIBE', a], ['SSUBSCRIBE', `{${mark}}1`], ['RESET'], ['PING'], ['UNSUBSCRIBE']],
      [['PUBSUB', 'NUMPAT', 'x'], ['PUBSUB', 'CHANNELS', 'x', 'y'], ['PUBSUB'], ['PUBSUB', 'NUMSUB']],
    ]
    const end = encode('PING', 'the end')
    for (const pipelined of [false, true]) {
      const clients = await Promise.all([redis, port].map((to) => open(t, to, protocol)))
      for (const script of scripts) {
        const outputs = await Promise.all(
          clients.map(async (client) => {
            if (pipelined) await client.send(Buffer.concat(script.map((words) => encode(...words))))
            else {
              const parts: Buffer[] = []
              for (const words of script) {
                await client.send(encode(...words))
                await client.send(encode('PING', 'next'))
                parts.push(await client.until('next\r\n'))
              }
              return Buffer.concat(parts).toString('latin1')
            }
            await client.send(end)
            return (await client.until('the end\r\n')).toString('latin1')
          }),
        )
        t.equal(outputs[1], outputs[0], JSON.stringify(script))
      }
    }
  })
}

test('replies and confirmations keep the order of a pipeline, and no message stands before its confirmation', async (t) => {
  const { port } = await startTestProxy(t)
  const client = await open(t, port, 3)
  const [x, y, key] = [randomName('x'), randomName('y'), randomName('key')]
  const large = 'v'.repeat(2_000_000)
  await client.command('SET', key, large)
  await client.send(
    Buffer.concat([
      encode('GET', key),
      encode('SUBSCRIBE', x, y),
      encode('PUBLISH', x, 'one'),
      encode('ECHO', 'between'),
      encode('UNSUBSCRIBE', y),
      encode('GET', key),
    ]),
  )
  const frames = (await client.replies(7)).map(parse)
  const position = (want: unknown): number =>
    frames.findIndex((frame) => JSON.stringify(frame) === JSON.stringify(want))
  t.equal(frames[0], large)
  t.strictSame(frames[1], { push: ['subscribe', x, 1] })
  t.strictSame(frames[2], { push: ['subscribe', y, 2] })
  t.ok(position('between') > 2)
  t.ok(position({ push: ['unsubscribe', y, 1] }) > position('between'))
  const all = [...frames, ...(await client.replies(1)).map(parse)]
  t.ok(all.some((frame) => JSON.stringify(frame) === JSON.stringify({ push: ['message', x, 'one'] })))
  t.equal(all.filter((frame) => frame === large).length, 2)
})

test('a client whose confirmation waits behind another reply gets no message before it', async (t) => {
  const { port } = await startTestProxy(t)
  const channel = randomName('early')
  const nodes = direct(t, await sharedCluster())
  const ranges = await nodes[0].cluster('SLOTS')
  const ownerOf = async (key: string): Promise<number> => {
    const slot = await nodes[0].cluster('KEYSLOT', key)
    return ranges.find(([from, to]) => from <= slot && slot <= to)![2][1]
  }
  const [first, client, publisher] = await Promise.all([1, 2, 3].map(() => open(t, port)))
  await first.command('SUBSCRIBE', channel)
  // A node that has to do neither with the subscription nor with publishing is busy for a while.
  const taken = [await ownerOf(channel)]
  for (const node of nodes) if ((await countAtNodes([node], channel)) === 1) taken.push(node.options.port!)
  let list = randomName('list')
  while (taken.includes(await ownerOf(list))) list = randomName('list')
  const slow = encode('EVAL', 'for i = 1, 3e7 do end return KEYS[1]', 1, list)
  await client.send(Buffer.concat([slow, encode('SUBSCRIBE', channel)]))
  let busy = true
  const publishing = (async () => {
    while (busy) await publisher.command('PUBLISH', channel, 'x')
  })()
  t.equal(parse((await client.replies(1))[0]), list)
  t.strictSame(parse((await client.replies(1))[0]), ['subscribe', channel, 1])
  t.strictSame(parse((await client.replies(1))[0]), ['message', channel, 'x'])
  busy = false
  await publishing
})

test('patterns, shard channels, binary names and payloads of all sizes arrive as they were sent', async (t) => {
  const [one, two] = [await startTestProxy(t), await startTestProxy(t)]
  const mark = randomName('bin')
  const name = Buffer.concat([Buffer.from(mark), Buffer.from([0, 200, 13, 10, 255])])
  const publisher = await open(t, two.port)
  const payloads = [Buffer.alloc(0), Buffer.from([0, 13, 10, 255]), Buffer.alloc(5_000_000, '\r\n>3')]
  for (const protocol of [2, 3] as const) {
    const [plain, pattern, shard] = await Promise.all([1, 2, 3].map(() => open(t, one.port, protocol)))
    await plain.command('SUBSCRIBE', name)
    await pattern.command('PSUBSCRIBE', `${mark}*`)
    await shard.command('SSUBSCRIBE', name)
    for (const payload of payloads) {
      await publisher.command('PUBLISH', name, payload)
      t.equal(parse(await publisher.command('SPUBLISH', name, payload)), 1)
      for (const [client, words] of [
        [plain, ['message', name, payload]],
        [pattern, ['pmessage', `${mark}*`, name, payload]],
        [shard, ['smessage', name, payload]],
      ] as const) {
        const expected = message(protocol, ...words)
        t.ok((await client.replies(1))[0].equals(expected), `RESP${protocol} ${words[0]} ${payload.length}`)
      }
    }
    for (const client of [plain, pattern, shard]) client.destroy()
    const nodes = direct(t, await sharedCluster())
    await waitFor('nobody left', async () => (await countAtNodes(nodes, name as never, 'SHARDNUMSUB')) === 0)
  }
})

test('messages never stand inside a large reply that is being passed on', async (t) => {
  const { port } = await startTestProxy(t)
  const [channel, key] = [randomName('mid'), randomName('key')]
  const client = await open(t, port, 3)
  const publisher = await open(t, port)
  const large = 'x'.repeat(20_000_000)
  await publisher.command('SET', key, large)
  await client.command('SUBSCRIBE', channel)
  let reading = true
  const publishing = (async () => {
    for (let i = 0; reading; i++) await publisher.command('PUBLISH', channel, `${i}`)
  })()
  let messages = 0
  for (let round = 0; round < 5; round++) {
    await client.send(encode('GET', key))
    for (;;) {
      const frame = parse((await client.replies(1))[0])
      if (frame === large) break
      t.match(frame, { push: ['message', channel, String] })
      messages++
    }
  }
  t.ok(messages > 0)
  // Behind a HELLO messages have the other form; before its reply they have not.
  await client.send(Buffer.concat([encode('GET', key), encode('HELLO', 2)]))
  let switched = false
  for (let after = 0; after < 3; ) {
    const frame = parse((await client.replies(1))[0])
    if (frame === large) continue
    if (Array.isArray(frame) && frame[0] === 'server') switched = true
    else {
      t.match(frame, switched ? ['message', channel, String] : { push: ['message', channel, String] })
      if (switched) after++
    }
  }
  reading = false
  await publishing
})

test('a hundred subscribers of one channel are one at the nodes, and PUBSUB counts them all', async (t) => {
  const [one, two] = [await startTestProxy(t), await startTestProxy(t)]
  const nodes = direct(t, await sharedCluster())
  const channel = randomName('hundred')
  const clients = await Promise.all(Array.from({ length: 100 }, (_, i) => open(t, one.port, i % 2 ? 2 : 3)))
  await Promise.all(clients.map((client) => client.command('SUBSCRIBE', channel)))
  t.equal(await countAtNodes(nodes, channel), 1)
  const other = await open(t, two.port)
  await other.command('SUBSCRIBE', channel)
  const asking = await open(t, one.port)
  t.strictSame(parse(await asking.command('PUBSUB', 'NUMSUB', channel, 'nobody')), [
    channel,
    101,
    'nobody',
    0,
  ])
  t.strictSame(parse(await asking.command('PUBSUB', 'CHANNELS', `${channel}*`)), [channel])
  await asking.command('PUBLISH', channel, 'to all')
  for (const [i, client] of clients.entries()) {
    const [frame] = await client.replies(1)
    t.ok(frame.equals(message(i % 2 ? 2 : 3, 'message', channel, 'to all')))
  }
  for (const client of clients.slice(0, 50)) await client.command('UNSUBSCRIBE', channel)
  // Some say nothing and go.
  for (const client of clients.slice(50, 99)) client.socket.resetAndDestroy()
  await waitFor('one and one', async () => {
    const [, count] = parse(await asking.command('PUBSUB', 'NUMSUB', channel)) as [string, number]
    return count === 2
  })
  t.equal(await countAtNodes(nodes, channel), 2)
  clients[99].destroy()
  await waitFor('only the other proxy', async () => (await countAtNodes(nodes, channel)) === 1)
  other.destroy()
  await waitFor('nobody', async () => (await countAtNodes(nodes, channel)) === 0)
  t.strictSame(parse(await asking.command('PUBSUB', 'NUMSUB', channel)), [channel, 0])
  await waitFor('no link', () =>
    one.log.some((line) => line.message === 'subscriber link closed, nobody is subscribed'),
  )
})

test('PUBSUB tells of patterns and shard channels', async (t) => {
  const cluster = await ownCluster(t)
  const { port } = await startTestProxy(t, { upstream: [...cluster.addresses] })
  const [client, asking] = [await open(t, port, 3), await open(t, port)]
  await client.send(
    Buffer.concat([encode('PSUBSCRIBE', 'a*', 'b*'), encode('SSUBSCRIBE', 's'), encode('SSUBSCRIBE', 't')]),
  )
  await client.replies(4)
  t.equal(parse(await asking.command('PUBSUB', 'NUMPAT')), 2)
  t.strictSame((parse(await asking.command('PUBSUB', 'SHARDCHANNELS')) as string[]).sort(), ['s', 't'])
  t.strictSame(parse(await asking.command('PUBSUB', 'SHARDNUMSUB', 's', 'u')), ['s', 1, 'u', 0])
  t.equal(
    (await asking.command('SSUBSCRIBE', 's', 't')).toString(),
    "-CROSSSLOT Keys in request don't hash to the same slot\r\n",
  )
})

test('PUBLISH inside MULTI goes with the keys around it', async (t) => {
  const { port } = await startTestProxy(t)
  const [client, publisher] = [await open(t, port), await open(t, port)]
  const channel = randomName('multi')
  await client.command('SUBSCRIBE', channel)
  await publisher.send(
    Buffer.concat([
      encode('MULTI'),
      encode('SET', randomName('k'), '1'),
      encode('PUBLISH', channel, 'x'),
      encode('EXEC'),
    ]),
  )
  const replies = (await publisher.replies(4)).map(parse)
  t.strictSame(replies.slice(0, 3), ['OK', 'QUEUED', 'QUEUED'])
  t.match(replies[3], ['OK', Number])
  t.ok((await client.replies(1))[0].equals(message(2, 'message', channel, 'x')))
})

test('a RESP3 subscriber that turns to RESP2 gets its messages in that form, and RESET ends them', async (t) => {
  const { port } = await startTestProxy(t)
  const [client, publisher] = [await open(t, port, 3), await open(t, port)]
  const channel = randomName('turn')
  await client.command('SUBSCRIBE', channel)
  await client.command('HELLO', 2)
  await publisher.command('PUBLISH', channel, 'x')
  t.ok((await client.replies(1))[0].equals(message(2, 'message', channel, 'x')))
  t.equal((await client.command('RESET')).toString(), '+RESET\r\n')
  t.strictSame(parse(await publisher.command('PUBSUB', 'NUMSUB', channel)), [channel, 0])
  await publisher.command('PUBLISH', channel, 'y')
  t.equal((await client.command('PING')).toString(), '+PONG\r\n')
})

test('subscriptions come back by themselves after kill -9 of the node they are on', async (t) => {
  const cluster = await ownCluster(t, { replicas: 1 })
  const nodes = direct(t, cluster.addresses)
  const { port } = await startTestProxy(t, { upstream: [...cluster.addresses] })
  const clients = await Promise.all([open(t, port, 2), open(t, port, 3)])
  for (const client of clients) {
    await client.command('SUBSCRIBE', 'news')
    await client.command('PSUBSCRIBE', 'n?ws')
    await client.command('SSUBSCRIBE', 'shard-a')
    await client.command('SSUBSCRIBE', 'shard-b')
  }
  const home = (await Promise.all(nodes.map((node) => countAtNodes([node], 'news')))).indexOf(1)
  await cluster.kill(home)
  const others = nodes.filter((_, i) => i !== home)
  await waitFor('resubscription', async () => (await countAtNodes(others, 'news')) === 1)
  for (const shard of ['shard-a', 'shard-b'])
    await waitFor(shard, async () => (await countAtNodes(others, shard, 'SHARDNUMSUB')) === 1)
  await waitFor('patterns', async () => {
    const counts = await Promise.all(others.map((node) => node.call('PUBSUB', 'NUMPAT')))
    return counts.includes(1)
  })
  const publisher = await open(t, port)
  for (const client of clients) t.equal(client.unread().length, 0)
  // Publishing needs the owner of the channel's slot, which may be the node that is gone.
  await waitFor('the failover', async () => {
    const reply = parse(await publisher.command('PUBLISH', '{news}probe', ''))
    return typeof reply === 'number'
  })
  t.type(parse(await publisher.command('PUBLISH', 'news', 'again')), 'number')
  t.equal(parse(await publisher.command('SPUBLISH', 'shard-a', 'again')), 1)
  t.equal(parse(await publisher.command('SPUBLISH', 'shard-b', 'again')), 1)
  for (const client of clients) {
    const words = (await client.replies(4)).map((frame) => JSON.stringify(parse(frame)))
    for (const part of [
      '"message","news"',
      '"pmessage","n?ws"',
      '"smessage","shard-a"',
      '"smessage","shard-b"',
    ])
      t.ok(
        words.some((text) => text.includes(part) && text.includes('again')),
        part,
      )
  }
})

test('a shard channel follows its slot, and its clients notice nothing', async (t) => {
  const cluster = await ownCluster(t)
  const mover = await slotMover(t, cluster)
  const { port } = await startTestProxy(t, { upstream: [...cluster.addresses] })
  const [client, publisher] = [await open(t, port, 2), await open(t, port)]
  await client.command('SSUBSCRIBE', 'moving')
  const slot = (await mover.nodes[0].cluster('KEYSLOT', 'moving')) as number
  for (let round = 0; round < 3; round++) {
    const from = await mover.ownerOf(slot)
    const to = (from + 1) % 3
    await mover.move([slot], from, to)
    await waitFor(
      'the new owner counts us',
      async () => (await countAtNodes([mover.nodes[to]], 'moving', 'SHARDNUMSUB')) === 1,
    )
    await waitFor('all know', async () => (await mover.ownerOf(slot)) === to)
    t.equal(parse(await publisher.command('SPUBLISH', 'moving', `${round}`)), 1)
    t.ok((await client.replies(1))[0].equals(message(2, 'smessage', 'moving', `${round}`)))
  }
  t.equal(client.unread().length, 0)
})

test('a subscriber that does not read is disconnected, and the others get everything', async (t) => {
  const proxy = await startTestProxy(t, { clientOutputBufferLimit: 2_000_000 })
  const channel = randomName('slow')
  const [slow, quick, publisher] = await Promise.all([1, 2, 3].map(() => open(t, proxy.port)))
  for (const client of [slow, quick]) await client.command('SUBSCRIBE', channel)
  slow.socket.pause()
  const payload = 'p'.repeat(100_000)
  for (let i = 0; i < 200; i++) {
    await publisher.command('PUBLISH', channel, payload)
    t.ok((await quick.replies(1))[0].equals(message(2, 'message', channel, payload)))
  }
  await waitFor('the disconnection', () =>
    proxy.log.some(
      ({ message: text, fields }) =>
        text === 'client disconnected' && fields.reason === 'client output buffer limit reached',
    ),
  )
  slow.socket.resume()
  await slow.closed
  t.strictSame(parse(await publisher.command('PUBSUB', 'NUMSUB', channel)), [channel, 1])
})

test('without an upstream a SUBSCRIBE gets an error in time, and leaves nothing behind', async (t) => {
  const proxy = await startTestProxy(t, {
    upstream: ['127.0.0.1:1'],
    waitUntilReady: false,
    retryDeadlineMs: 200,
  })
  const client = await open(t, proxy.port)
  t.match((await client.command('SUBSCRIBE', 'x')).toString(), /^-CLUSTERDOWN /)
  t.equal((await client.command('PING')).toString(), '+PONG\r\n')
})
