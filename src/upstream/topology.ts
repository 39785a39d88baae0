// Watches which master serves which slot: ioredis looks, the router is told.

import { Cluster } from 'ioredis'
import type { Logger } from '../observe/log.ts'
import { SLOT_COUNT } from '../routing/slots.ts'
import { accessOptions, type NodeAccess, withControlConnection } from './control-connection.ts'
import { splitAddress } from './node.ts'

/** Slots `from` to `to` belong to the master at `address`. */
export interface ServedRange {
  from: number
  to: number
  address: string
}

export interface TopologyOptions {
  /** `host:port` of one or more nodes of a cluster, or of one standalone server. */
  seeds: readonly string[]
  access: NodeAccess
  /** How often to look although nothing seems to have changed. */
  refreshIntervalMs: number
  log: Logger
  /** Told the whole map each time it was read. */
  onTopology: (ranges: readonly ServedRange[]) => void
  /** Told why there is none yet, as the text of an error reply. */
  onUnavailable: (error: string) => void
}

/** What kind of upstream was found. */
export type UpstreamKind = 'cluster' | 'standalone'

/** A running watch. */
export interface Topology {
  /** What was found, once something was. */
  readonly kind: UpstreamKind | null
  /** Asks for a fresh look; calls in quick succession become one. */
  refresh(): void
  stop(): void
}

const BACKOFF_FIRST_MS = 100
const BACKOFF_MAX_MS = 2000
/** Looks asked for by redirections and lost links are at least this far apart. */
const REFRESH_SPACING_MS = 100

/** Starts watching; returns at once and keeps trying with backoff until a seed answers. */
export function watchTopology(options: TopologyOptions): Topology {
  const { log } = options
  let kind: UpstreamKind | null = null
  let cluster: Cluster | null = null
  let stopped = false
  let attempt = 0
  let timer: NodeJS.Timeout | null = null
  let lastRefresh = 0
  let refreshTimer: NodeJS.Timeout | null = null

  const search = async (): Promise<void> => {
    const failures: string[] = []
    for (const seed of options.seeds) {
      if (stopped) return
      try {
        const found = await identify(seed, options.access)
        if (stopped) return
        if (kind !== found.kind) log.info({ seed, kind: found.kind }, 'upstream found')
        kind = found.kind
        attempt = 0
        if (found.ranges === null) {
          watchCluster()
          return
        }
        options.onTopology(found.ranges)
        // A cluster of one node may grow.
        if (kind === 'cluster') timer = setTimeout(search, options.refreshIntervalMs)
        return
      } catch (error) {
        failures.push(`${seed}: ${(error as Error).message}`)
      }
    }
    const loading = failures.find((text) => text.includes('LOADING'))
    options.onUnavailable(
      loading !== undefined
        ? 'LOADING Redis is loading the dataset in memory'
        : 'CLUSTERDOWN The upstream Redis cannot be reached',
    )
    const pause = Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 10), BACKOFF_MAX_MS)
    if (attempt === 0 || attempt % 10 === 0)
      log.warn({ failures, attempt }, 'upstream not reachable, will keep trying')
    attempt++
    timer = setTimeout(search, pause * (0.5 + Math.random() / 2))
  }

  const watchCluster = (): void => {
    const { access, refreshIntervalMs } = options
    cluster = new Cluster(
      options.seeds.map((seed) => splitAddress(seed)),
      {
        slotsRefreshTimeout: access.connectTimeoutMs,
        slotsRefreshInterval: refreshIntervalMs,
        clusterRetryStrategy: (times: number) => Math.min(BACKOFF_FIRST_MS * times, BACKOFF_MAX_MS),
        enableReadyCheck: false,
        // Certificates are for names; ioredis would look the address up first and then check that.
        ...(access.tls === null ? {} : { dnsLookup: (name, found) => found(null, name) }),
        redisOptions: {
          ...accessOptions(access),
          connectionName: 'tq-proxy-topology',
          autoResendUnfulfilledCommands: false,
          maxRetriesPerRequest: 0,
        },
      },
    )
    cluster.on('refresh', () => {
      const ranges = servedRanges(cluster!.slots)
      if (ranges.length > 0) options.onTopology(ranges)
    })
    cluster.on('error', (error: Error) => log.warn({ reason: error.message }, 'topology watch failed'))
    cluster.on('node error', (error: Error, address: string) =>
      log.debug({ node: address, reason: error.message }, 'topology watch: node does not answer'),
    )
  }

  const refreshNow = (): void => {
    refreshTimer = null
    lastRefresh = performance.now()
    cluster?.refreshSlotsCache(() => {})
  }

  void search()

  return {
    get kind() {
      return kind
    },
    refresh() {
      if (cluster === null || refreshTimer !== null || stopped) return
      const wait = lastRefresh + REFRESH_SPACING_MS - performance.now()
      refreshTimer = setTimeout(refreshNow, Math.max(wait, 0))
    },
    stop() {
      stopped = true
      if (timer !== null) clearTimeout(timer)
      if (refreshTimer !== null) clearTimeout(refreshTimer)
      cluster?.disconnect()
    },
  }
}

/** What `seed` is; `ranges` where it is all there is to know, null where ioredis is to watch a cluster. */
interface Found {
  kind: UpstreamKind
  ranges: ServedRange[] | null
}

/** Asks the server at `seed` what it is; rejects where it cannot be asked. */
function identify(seed: string, access: NodeAccess): Promise<Found> {
  return withControlConnection(seed, access, async (redis) => {
    const info = await redis.info('cluster')
    if (!/cluster_enabled:1/.test(info)) {
      return { kind: 'standalone', ranges: [{ from: 0, to: SLOT_COUNT - 1, address: seed }] }
    }
    const slots = await redis.cluster('SLOTS')
    // A node that never met another does not know its own address and says none, which ioredis passes over.
    const alone = slots.length > 0 && slots.every(([, , [host]]) => !host)
    const { host } = splitAddress(seed)
    return {
      kind: 'cluster',
      ranges: alone ? slots.map(([from, to, [, port]]) => ({ from, to, address: `${host}:${port}` })) : null,
    }
  })
}

/** ioredis's table (of each slot, the master first) as ranges. */
function servedRanges(slots: readonly (readonly string[] | undefined)[]): ServedRange[] {
  const ranges: ServedRange[] = []
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const address = slots[slot]?.[0]
    if (address === undefined) continue
    const last = ranges[ranges.length - 1]
    if (last !== undefined && last.to === slot - 1 && last.address === address) last.to = slot
    else ranges.push({ from: slot, to: slot, address })
  }
  return ranges
}
