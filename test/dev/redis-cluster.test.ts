// The cluster for development and tests comes up whole, survives its killings, and never outlives its parent.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startRedis, startRedisCluster } from '../../src/dev/redis-cluster.ts'
import { findPorts } from '../../src/dev/redis-process.ts'
import { ownCluster, ownRedis, waitFor } from '../fixtures/cluster.ts'
import { rawClient } from '../fixtures/raw-client.ts'

function isAlive(pid: number): boolean {
  try {
    // A zombie still answers to signal 0 until its new parent has collected it.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function ask(t: Test, address: string, ...command: string[]): Promise<unknown> {
  const client = await rawClient(Number(address.split(':')[1]))
  t.teardown(client.destroy)
  return client.call(...command)
}

t.test('every slot is served and every master has its replica', async (t) => {
  const cluster = await ownCluster(t, { masters: 3, replicas: 1 })
  t.equal(cluster.nodes.length, 6)
  t.same(
    cluster.nodes.map((node) => node.role),
    ['master', 'master', 'master', 'replica', 'replica', 'replica'],
  )
  for (const address of cluster.addresses) {
    t.match(await ask(t, address, 'CLUSTER', 'INFO'), /cluster_state:ok.*cluster_slots_ok:16384/s)
    const shards = (await ask(t, address, 'CLUSTER', 'SLOTS')) as unknown[][]
    t.equal(shards.length, 3)
    for (const shard of shards) t.equal(shard.length, 4, 'first slot, last slot, master, replica')
  }

  t.test('a killed master is replaced, and comes back as a replica', async (t) => {
    await cluster.kill(0)
    t.equal(cluster.nodes[0]!.running, false)
    await cluster.waitUntilOk()
    t.match(await ask(t, cluster.addresses[3]!, 'ROLE'), ['master'])
    await cluster.restart(0)
    await waitFor('the old master to follow', async () => {
      const role = (await ask(t, cluster.addresses[0]!, 'ROLE')) as unknown[]
      return role[0] === 'slave'
    })
    await cluster.waitUntilOk()
  })

  t.test('stop leaves no process and no folder', async (t) => {
    await cluster.stop()
    for (const node of cluster.nodes) t.notOk(isAlive(node.pid))
    t.notOk(existsSync(cluster.folder))
  })
})

t.test('a lone Redis takes settings and a password', async (t) => {
  const server = await ownRedis(t, { config: ['maxmemory 20mb'], password: 'open sesame' })
  t.match(await ask(t, server.address, 'PING'), { message: /^NOAUTH/ })
  const redis = new Redis(server.port, { password: 'open sesame' })
  t.teardown(() => redis.disconnect())
  t.match(await redis.info('memory'), 'maxmemory:20971520')
  await server.restart()
  t.match(await ask(t, server.address, 'PING'), { message: /^NOAUTH/ })
})

for (const [how, end, what] of [
  ['is killed with kill -9', (pid: number) => process.kill(pid, 'SIGKILL'), 'cluster'],
  ['is ended by SIGTERM', (pid: number) => process.kill(pid, 'SIGTERM'), 'redis'],
  ['is interrupted by SIGINT', (pid: number) => process.kill(pid, 'SIGINT'), 'redis'],
  ['dies of an error nobody catches', 'throw', 'redis'],
  ['calls process.exit', 'exit', 'redis'],
  ['has nothing left to do', 'return', 'redis'],
] as const) {
  t.test(`no process and no folder is left when the parent ${how}`, async (t) => {
    const script = fileURLToPath(new URL('../fixtures/hold-cluster.ts', import.meta.url))
    const parent = spawn(process.execPath, [script, what, typeof end === 'string' ? end : 'wait'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    t.teardown(() => parent.kill('SIGKILL'))
    const line = await new Promise<string>((resolve) =>
      parent.stdout.once('data', (data) => resolve(String(data))),
    )
    const { pids, folder } = JSON.parse(line) as { pids: number[]; folder: string }
    if (typeof end !== 'string') {
      t.ok(pids.every(isAlive))
      t.ok(existsSync(folder))
      end(parent.pid!)
    }
    await waitFor('the processes to end', () => !pids.some(isAlive))
    await waitFor('the folder to go', () => !existsSync(folder))
  })
}

t.test('a port in use is one sentence that says what to do, for the bus port too', async (t) => {
  const [port] = await findPorts(1, true)
  for (const taken of [port!, port! + 10_000]) {
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(taken, '127.0.0.1', resolve))
    await t.rejects(startRedisCluster({ masters: 1, basePort: port! }), {
      message: `Port ${taken} is already in use: stop what listens there or choose another port.`,
    })
    await new Promise((resolve) => squatter.close(resolve))
  }
  await t.rejects(startRedisCluster({ masters: 3, basePort: 55_600 }), /whole number from 1 to 55533/)
})

t.test('a missing or wrong redis-server is one sentence that says what to do', async (t) => {
  await t.rejects(startRedis({ redisServer: '/nowhere/redis-server' }), {
    message: '/nowhere/redis-server cannot be run: name an executable redis-server with --redis-server PATH.',
  })
  await t.rejects(startRedis({ redisServer: 'true' }), /true is not a redis-server: name the right program/)
})

t.test('a setting Redis does not know ends the start with what its log says', async (t) => {
  await t.rejects(startRedis({ config: ['no-such-setting 1'] }), /ended while starting.*no-such-setting/s)
})
