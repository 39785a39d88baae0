// Starts a real Redis Cluster (or one lone Redis) on this machine for the dev command, tests and benchmarks.

import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import {
  findPorts,
  openRedisGroup,
  PortInUseError,
  type RedisGroup,
  type RedisNode,
  type RedisOptions,
} from './redis-process.ts'

export interface RedisClusterOptions extends RedisOptions {
  /** Masters, at least 1 (3 by default; fewer can never agree on a failover). */
  readonly masters?: number
  /** Replicas of each master, 0 by default. */
  readonly replicas?: number
  /** Port of the first node, the others follow; bus ports lie 10,000 above. Chosen where it is left out. */
  readonly basePort?: number
  /** cluster-node-timeout in milliseconds, 2000 by default. */
  readonly nodeTimeoutMs?: number
}

export interface ClusterNode extends RedisNode {
  /** What it was started as; a failover may have changed it since. */
  readonly role: 'master' | 'replica'
  /** Index of the master a replica was started for. */
  readonly masterIndex?: number
}

export interface RedisCluster {
  /** Masters first, then their first replicas in the same order, then their second ones. */
  readonly nodes: readonly ClusterNode[]
  /** `127.0.0.1:port` of every node, in the order of `nodes`. */
  readonly addresses: readonly string[]
  /** Holds redis.conf and redis.log of every node, in a folder named by its index. */
  readonly folder: string
  /** Sends a signal (SIGKILL by default) and waits for the end, except for SIGSTOP and SIGCONT. */
  kill(index: number, signal?: NodeJS.Signals): Promise<void>
  /** Ends the node where it still runs and starts it again, empty, on its port; resolves when it answers. */
  restart(index: number): Promise<void>
  /** Resolves when all running nodes agree that the cluster is well and every replica follows its master. */
  waitUntilOk(timeoutMs?: number): Promise<void>
  stop(): Promise<void>
}

/** A lone Redis, same building blocks. */
export interface RedisServer {
  readonly address: string
  readonly port: number
  /** The running process, or the last one that ran. */
  readonly pid: number
  readonly folder: string
  kill(signal?: NodeJS.Signals): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

const SLOTS = 16_384
// Somebody else may take a port between our look and Redis's bind.
const PORT_ATTEMPTS = 5

/**
 * Starts a cluster and resolves when every node is ready: slots served, replicas in sync.
 *
 * The processes end with ours, however it ends: a watchdog notices even a kill -9.
 *
 * @throws one sentence that says what to do: redis-server missing, a port in use
 */
export function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const masters = options.masters ?? 3
  const replicas = options.replicas ?? 0
  if (!Number.isInteger(masters) || masters < 1) throw new Error('A cluster needs at least one master.')
  if (!Number.isInteger(replicas) || replicas < 0)
    throw new Error('The number of replicas cannot be negative.')
  return withGroup(options, async (group) => {
    const say = options.onProgress ?? (() => {})
    const count = masters * (1 + replicas)
    const ports = await findPorts(count, true, options.basePort)
    say(`starting ${count} redis-server processes on ports ${ports[0]} to ${ports.at(-1)}`)
    const config = [
      'cluster-enabled yes',
      'cluster-config-file nodes.conf',
      // A node learns its address from those that meet it; one that is alone would tell its clients none.
      'cluster-announce-ip 127.0.0.1',
      `cluster-node-timeout ${options.nodeTimeoutMs ?? 2_000}`,
      // Tests move slots about; a replica that changes sides by itself would surprise them.
      group.major >= 7 ? 'cluster-allow-replica-migration no' : 'cluster-migration-barrier 1000',
    ]
    const nodes: ClusterNode[] = await allOf(
      ports.map(async (port, index) => {
        const node = await group.start(index, port, config)
        return Object.assign(
          node,
          index < masters
            ? { role: 'master' as const }
            : { role: 'replica' as const, masterIndex: (index - masters) % masters },
        )
      }),
    )
    await formCluster(group, nodes, masters, say)
    return {
      nodes,
      addresses: nodes.map((node) => node.address),
      folder: group.folder,
      kill: (index, signal = 'SIGKILL') => group.kill(index, signal),
      restart: (index) => group.restart(index),
      waitUntilOk: (timeoutMs = 30_000) => waitUntilOk(group, nodes, timeoutMs),
      stop: () => group.stop(),
    }
  })
}

/**
 * Starts one Redis without a cluster.
 *
 * @throws one sentence that says what to do: redis-server missing, a port in use
 */
export function startRedis(
  options: RedisOptions & { readonly basePort?: number } = {},
): Promise<RedisServer> {
  return withGroup(options, async (group) => {
    const [port] = await findPorts(1, false, options.basePort)
    const node = await group.start(0, port!, [])
    return {
      address: node.address,
      port: node.port,
      get pid() {
        return node.pid
      },
      folder: group.folder,
      kill: (signal = 'SIGKILL') => group.kill(0, signal),
      restart: () => group.restart(0),
      stop: () => group.stop(),
    }
  })
}

async function withGroup<T>(
  options: RedisOptions & { readonly basePort?: number },
  start: (group: RedisGroup) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const group = await openRedisGroup(options)
    try {
      return await start(group)
    } catch (error) {
      await group.stop()
      const again =
        error instanceof PortInUseError && options.basePort === undefined && attempt < PORT_ATTEMPTS
      if (!again) throw error
    }
  }
}

/** Promise.all, but nothing is left running behind a failure. */
async function allOf<T>(promises: Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(promises)
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

async function formCluster(
  group: RedisGroup,
  nodes: ClusterNode[],
  masters: number,
  say: (line: string) => void,
): Promise<void> {
  const controls = await allOf(nodes.map((node) => group.connect(node)))
  try {
    say('joining them to a cluster')
    const ids = await allOf(controls.map((redis) => redis.cluster('MYID') as Promise<string>))
    await allOf(
      controls.map(async (redis, index) => {
        // Distinct epochs from the start: otherwise nodes settle their collisions by gossip, seconds later.
        await redis.cluster('SET-CONFIG-EPOCH', index + 1)
        if (index < masters) await addSlots(redis, slotsOf(index, masters), group.major)
        // Everybody meets everybody: waiting for gossip to spread the news takes longer.
        for (const earlier of nodes.slice(0, index)) await redis.cluster('MEET', '127.0.0.1', earlier.port)
      }),
    )
    await until('every node knows every other', 15_000, async () => {
      const views = await allOf(controls.map(readView))
      return views.every((view) => view.length === nodes.length && view.every((peer) => peer.well))
    })
    if (nodes.length > masters) {
      say('attaching the replicas')
      await allOf(
        nodes.flatMap((node) =>
          node.masterIndex === undefined
            ? []
            : [controls[node.index]!.cluster('REPLICATE', ids[node.masterIndex]!)],
        ),
      )
    }
    // Redis lets a master take writes 2 s after its start at the earliest, so most of the time goes by here.
    say('waiting for the cluster to be ready')
    await until('the replicas follow', 15_000, async () => {
      return (await allOf(controls.slice(masters).map(isLinked))).every(Boolean)
    })
    // CLUSTER SLOTS leaves out a replica whose offset is 0: anything that is replicated moves it, and this
    // changes nothing in a server that is still empty.
    if (nodes.length > masters) await allOf(controls.slice(0, masters).map((redis) => redis.flushall()))
    await until('the cluster is ready', 20_000, async () => {
      const answers = await allOf(
        controls.map(async (redis) => {
          const shards = (await redis.cluster('SLOTS')) as unknown[][]
          // First slot, last slot, then the master and its replicas.
          const complete =
            shards.length === masters && shards.every((s) => s.length === 2 + nodes.length / masters)
          return complete && (await isWell(redis))
        }),
      )
      return answers.every(Boolean)
    })
  } finally {
    for (const redis of controls) redis.disconnect()
  }
}

function slotsOf(index: number, masters: number): [first: number, last: number] {
  return [Math.floor((index * SLOTS) / masters), Math.floor(((index + 1) * SLOTS) / masters) - 1]
}

async function addSlots(redis: Redis, [first, last]: [number, number], major: number): Promise<void> {
  if (major >= 7) await redis.cluster('ADDSLOTSRANGE', first, last)
  else await redis.cluster('ADDSLOTS', ...Array.from({ length: last - first + 1 }, (_, i) => first + i))
}

interface Peer {
  readonly port: number
  /** Linked, past its handshake, and not suspected of having failed. */
  readonly well: boolean
}

async function readView(redis: Redis): Promise<Peer[]> {
  const text = (await redis.cluster('NODES')) as string
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      // id ip:port@bus[,hostname] flags master ping pong epoch link slot…
      const [, address, flags, , , , , link] = line.split(' ')
      const names = flags!.split(',')
      return {
        port: Number(/:(\d+)@/.exec(address!)?.[1]),
        well:
          (link === 'connected' || names.includes('myself')) &&
          !names.some((name) => ['handshake', 'noaddr', 'fail', 'fail?'].includes(name)),
      }
    })
}

async function isWell(redis: Redis): Promise<boolean> {
  const info = (await redis.cluster('INFO')) as string
  return info.includes('cluster_state:ok') && (await isLinked(redis))
}

/** A replica whose link to its master is up, or a master. */
async function isLinked(redis: Redis): Promise<boolean> {
  const info = await redis.info('replication')
  return !info.includes('role:slave') || info.includes('master_link_status:up')
}

async function waitUntilOk(
  group: RedisGroup,
  nodes: readonly ClusterNode[],
  timeoutMs: number,
): Promise<void> {
  await until('the cluster is well', timeoutMs, async () => {
    const alive = nodes.filter((node) => node.running)
    const answers = await Promise.all(
      alive.map(async (node) => {
        const redis = await group.connect(node).catch(() => undefined)
        if (!redis) return false
        try {
          const view = await readView(redis)
          const seen = view.filter((peer) => peer.well).map((peer) => peer.port)
          return alive.every((other) => seen.includes(other.port)) && (await isWell(redis))
        } catch {
          return false
        } finally {
          redis.disconnect()
        }
      }),
    )
    return answers.every(Boolean)
  })
}

async function until(what: string, timeoutMs: number, check: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; ; await delay(25)) {
    if (await check()) return
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain until ${what}.`)
  }
}
