// Slots move from node to node under load, and no client notices.

import t, { type Test } from 'tap'
import { keySlot } from '../../src/routing/slots.ts'
import { ownCluster, randomName, waitFor } from '../fixtures/cluster.ts'
import { slotMover } from '../fixtures/move-slots.ts'
import { startTestProxy } from '../fixtures/proxy.ts'
import { encode, parse, type RawClient, rawClient, type Value } from '../fixtures/raw-client.ts'

/** Tags of different slots, all of them below `limit`. */
function tagsBelow(limit: number, count: number): string[] {
  const tags = new Map<number, string>()
  for (let i = 0; tags.size < count; i++) {
    const slot = keySlot(Buffer.from(`tag${i}`))
    if (slot < limit && !tags.has(slot)) tags.set(slot, `tag${i}`)
  }
  return [...tags.values()]
}

const slotOf = (tag: string): number => keySlot(Buffer.from(tag))

interface Load {
  /** Pipelines that came back as they should; throws when one did not. */
  rounds(): number
  /** Stops and gives what was not as it should be. */
  stop(): Promise<string[]>
}

/**
 * Clients of both versions that count, append and read in pipelines, each on keys of its own, and know what
 * every reply has to be.
 */
async function startLoad(t: Test, port: number, tags: readonly string[]): Promise<Load> {
  const prefix = randomName()
  const wrong: string[] = []
  let running = true
  let rounds = 0
  const run = async (id: number): Promise<void> => {
    const client = await rawClient(port, '127.0.0.1', 20_000)
    t.teardown(client.destroy)
    if (id % 2 === 0) await client.call('HELLO', 3)
    const counts = new Map<string, number>()
    const lengths = new Map<string, number>()
    for (let round = 0; running; round++) {
      const commands: Buffer[] = []
      const wanted: Value[] = []
      for (let i = 0; i < 40; i++) {
        const tag = tags[(i * 7 + round + id) % tags.length]!
        const key = `${prefix}:${id}:${i % 5}:{${tag}}`
        const count = counts.get(key) ?? 0
        const length = lengths.get(key) ?? 0
        switch ((i + round) % 4) {
          case 0:
            commands.push(encode('GET', key))
            wanted.push(count === 0 ? null : String(count))
            break
          case 1:
            commands.push(encode('APPEND', `${key}log`, 'xyz'))
            wanted.push(length + 3)
            lengths.set(key, length + 3)
            break
          case 2:
            commands.push(encode('PING', `${round}.${i}`))
            wanted.push(`${round}.${i}`)
            break
          default:
            commands.push(encode('INCR', key))
            wanted.push(count + 1)
            counts.set(key, count + 1)
        }
      }
      const replies = client.replies(commands.length)
      await client.send(Buffer.concat(commands))
      for (const [i, frame] of (await replies).entries()) {
        const found = parse(frame)
        if (found !== wanted[i])
          wrong.push(`${commands[i]!.toString().slice(0, 80)}: ${found} for ${wanted[i]}`)
      }
      if (wrong.length > 0) return
      rounds++
    }
  }
  const clients = Promise.all([1, 2, 3, 4].map(run)).catch((error: Error) => wrong.push(error.message))
  return {
    rounds() {
      if (wrong.length > 0) throw new Error(wrong.slice(0, 5).join('\n'))
      return rounds
    },
    async stop() {
      running = false
      await clients
      return wrong.slice(0, 5)
    },
  }
}

t.test('slots that move under load', async (t) => {
  const cluster = await ownCluster(t)
  const mover = await slotMover(t, cluster)
  const proxy = await startTestProxy(t, { upstream: [...cluster.addresses] })

  t.test('go there and back with every reply right and in order', async (t) => {
    const tags = tagsBelow(5000, 8)
    const load = await startLoad(t, proxy.port, tags)
    await waitFor('some load', () => load.rounds() > 20)
    for (let turn = 0; turn < 3; turn++) {
      await mover.move(tags.map(slotOf), 0, 1)
      await mover.move(tags.map(slotOf), 1, 0)
    }
    t.same(await load.stop(), [])
    t.comment(`${load.rounds()} rounds of 40 commands`)
  })

  t.test('a slot that stays open for long is served at both ends', async (t) => {
    const [tag] = tagsBelow(4000, 3).slice(2)
    const slot = slotOf(tag!)
    const load = await startLoad(t, proxy.port, [tag!])
    await waitFor('some load', () => load.rounds() > 20)
    await mover.open(slot, 0, 2)
    let seen = load.rounds()
    await waitFor('load while the slot is open', () => load.rounds() > seen + 20)
    await mover.moveKeys(slot, 0, 2)
    seen = load.rounds()
    await waitFor('load while the keys are at the target', () => load.rounds() > seen + 20)
    await mover.close(slot, 0, 2)
    seen = load.rounds()
    await waitFor('load at the new owner', () => load.rounds() > seen + 20)
    await mover.move([slot], 2, 0)
    t.same(await load.stop(), [])
  })

  t.test('a pipeline of 10,000 into a slot that moves comes back whole and in order', async (t) => {
    const [tag] = tagsBelow(4500, 5).slice(4)
    const slot = slotOf(tag!)
    const key = `${randomName()}{${tag}}`
    const client = await rawClient(proxy.port, '127.0.0.1', 30_000)
    t.teardown(client.destroy)
    await client.call('SET', key, 0)
    const moved = mover.move([slot], 0, 1)
    const replies = client.replies(10_000)
    client.send(encode('INCR', key).toString().repeat(10_000)).catch(() => {})
    const wrong = (await replies).flatMap((frame, i) => (parse(frame) === i + 1 ? [] : [`${i}: ${frame}`]))
    t.same(wrong.slice(0, 5), [])
    await moved
    await mover.move([slot], 1, 0)
  })

  t.test('commands that keep coming never overtake those that are sent again', async (t) => {
    const [tag] = tagsBelow(4500, 6).slice(5)
    const slot = slotOf(tag!)
    const key = `${randomName()}{${tag}}`
    const client = await rawClient(proxy.port, '127.0.0.1', 20_000)
    t.teardown(client.destroy)
    let moving = true
    const moved = (async () => {
      for (let turn = 0; turn < 10; turn++) await mover.move([slot], turn % 2, (turn + 1) % 2)
      moving = false
    })()
    const wrong: string[] = []
    const checks: Promise<void>[] = []
    let sent = 0
    let seen = 0
    while (moving && wrong.length === 0) {
      const first = sent
      sent += 5
      const replies = client.replies(5)
      client.send(encode('INCR', key).toString().repeat(5)).catch(() => {})
      checks.push(
        replies.then((frames) => {
          seen += 5
          for (const [i, frame] of frames.entries()) {
            if (parse(frame) !== first + i + 1) wrong.push(`${first + i}: ${frame}`)
          }
        }),
      )
      // Each in a read of its own, and many of them out at the same time.
      do await new Promise(setImmediate)
      while (sent - seen > 300)
    }
    await moved
    await Promise.all(checks)
    t.same(wrong.slice(0, 5), [])
    t.comment(`${sent} commands`)
  })

  t.test('commands of two keys wait until both have arrived', async (t) => {
    const [tag] = tagsBelow(4000, 7).slice(6)
    const slot = slotOf(tag!)
    const client = await rawClient(proxy.port)
    t.teardown(client.destroy)
    const [a, b] = [`${randomName()}a{${tag}}`, `${randomName()}b{${tag}}`]
    await client.call('SADD', a, 1, 2)
    await client.call('SADD', b, 2, 3)
    await mover.open(slot, 0, 1)
    await mover.nodes[0]!.call('MIGRATE', '127.0.0.1', cluster.nodes[1]!.port, a, 0, 5000)
    const [union, ping, count] = [client.call('SUNION', a, b), client.call('PING'), client.call('SCARD', a)]
    t.equal(await Promise.race([union, waitFor('a moment', () => false, 200).catch(() => 'waits')]), 'waits')
    await mover.moveKeys(slot, 0, 1)
    t.same(await union, ['1', '2', '3'])
    t.equal(await ping, 'PONG')
    t.equal(await count, 2)
    await mover.close(slot, 0, 1)
    await mover.move([slot], 1, 0)
  })

  t.test('a large value follows its slot', async (t) => {
    const [tag] = tagsBelow(4000, 9).slice(8)
    const slot = slotOf(tag!)
    const client = await rawClient(proxy.port, '127.0.0.1', 20_000)
    t.teardown(client.destroy)
    const key = `${randomName()}{${tag}}`
    const value = Buffer.alloc(3 * 1024 * 1024, 'large ')
    await client.call('GET', key)
    await mover.move([slot], 0, 1)
    const replies = [
      client.command('SET', key, value),
      client.call('STRLEN', key),
      client.command('GET', key),
    ]
    t.equal(String(await replies[0]), '+OK\r\n')
    t.equal(await replies[1], value.length)
    await mover.open(slot, 1, 0)
    // Not there any more and not there yet: the next SET is asked for at the target.
    await client.call('DEL', key)
    t.equal(String(await client.command('SET', key, value)), '+OK\r\n')
    t.equal(await mover.nodes[0]!.call('CLUSTER', 'COUNTKEYSINSLOT', slot), 1)
    t.ok((await client.command('GET', key)).subarray(`$${value.length}\r\n`.length, -2).equals(value))
    await mover.close(slot, 1, 0)
  })

  t.test('a node that loses its last slot, and one that gets its first, lose no reply', async (t) => {
    // Only the load's own slots hold keys; all others of the node go without a word.
    const tags = tagsBelow(5000, 4)
    const slots = Array.from({ length: 5461 }, (_, slot) => slot)
    const load = await startLoad(t, proxy.port, tags)
    await waitFor('some load', () => load.rounds() > 20)
    const busy = tags.map(slotOf)
    const idle = slots.filter((slot) => !busy.includes(slot))
    const give = async (from: number, to: number): Promise<void> => {
      const id = String(await mover.nodes[to]!.cluster('MYID'))
      for (const node of [to, from, 3 - from - to]) {
        const pipeline = mover.nodes[node]!.pipeline()
        for (const slot of idle) pipeline.call('CLUSTER', 'SETSLOT', slot, 'NODE', id)
        await pipeline.exec()
      }
    }
    for (let turn = 0; turn < 3; turn++) {
      await give(0, 1)
      await mover.move(busy, 0, 1)
      const seen = load.rounds()
      await waitFor('load without the first node', () => load.rounds() > seen + 20)
      await mover.move(busy, 1, 0)
      await give(1, 0)
    }
    t.same(await load.stop(), [])
  })
})

t.test('a planned failover goes by unnoticed', async (t) => {
  const cluster = await ownCluster(t, { masters: 3, replicas: 1 })
  const mover = await slotMover(t, cluster)
  const proxy = await startTestProxy(t, { upstream: [...cluster.addresses] })
  const load = await startLoad(t, proxy.port, tagsBelow(5000, 6))
  await waitFor('some load', () => load.rounds() > 20)
  for (const next of [3, 0, 3, 0]) {
    // A replica that has only just become one does not take over yet, whatever it says.
    await cluster.waitUntilOk()
    let asked = 0
    await waitFor('the replica to take over', async () => {
      if (Date.now() - asked > 3000) {
        asked = Date.now()
        await mover.nodes[next]!.call('CLUSTER', 'FAILOVER').catch(() => {})
      }
      return (await mover.ownerOf(0)) === next
    })
    const seen = load.rounds()
    await waitFor('load after it', () => load.rounds() > seen + 20)
  }
  t.same(await load.stop(), [])
})

t.test('a client that loses its connection in the middle of all this harms nobody', async (t) => {
  const cluster = await ownCluster(t)
  const mover = await slotMover(t, cluster)
  const proxy = await startTestProxy(t, { upstream: [...cluster.addresses] })
  const tags = tagsBelow(5000, 4)
  const load = await startLoad(t, proxy.port, tags)
  let running = true
  const comeAndGo = async (): Promise<void> => {
    while (running) {
      const client: RawClient = await rawClient(proxy.port)
      await client.send(encode('INCR', `gone{${tags[0]}}`).toString().repeat(50))
      client.destroy()
    }
  }
  const others = Promise.all([comeAndGo(), comeAndGo()])
  await mover.move(tags.map(slotOf), 0, 2)
  await mover.move(tags.map(slotOf), 2, 0)
  running = false
  await others
  t.same(await load.stop(), [])
})
