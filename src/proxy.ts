// Wires the parts together: what a program, a test or an embedding application starts, drains and stops.

import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, isIP, type Server, type Socket } from 'node:net'
import { Session } from './client/session.ts'
import { Subscriptions } from './client/subscriptions.ts'
import { type CommandInfo, readCommandReply } from './commands/command-info.ts'
import { type EventRoute, EventRoutes } from './commands/event-routes.ts'
import type { Environment } from './commands/local/environment.ts'
import { createPlanner } from './commands/planner.ts'
import type { TqSpec } from './commands/spec.ts'
import { buildTable, knownWords } from './commands/table.ts'
import { TqCommand } from './commands/tq-command.ts'
import type { PassSigner } from './commands/tq-passes.ts'
import { loadTqSpecs } from './commands/tq-specs.ts'
import { Users } from './commands/users.ts'
import type { Config } from './config.ts'
import type { Logger } from './observe/log.ts'
import { keySlot } from './routing/slots.ts'
import { ask } from './upstream/inquiry.ts'
import { splitAddress } from './upstream/node.ts'
import { Router } from './upstream/router.ts'
import { loadScripts } from './upstream/scripts.ts'
import { Subscriber } from './upstream/subscriber.ts'
import { type ServedRange, type Topology, watchTopology } from './upstream/topology.ts'

/** A running proxy. */
export interface Proxy {
  /** Where clients connect. */
  readonly host: string
  readonly port: number
  /** Whether the upstream has been reached and its commands are known. */
  readonly ready: boolean
  /** Resolves when `ready` is first true. */
  whenReady(): Promise<void>
  /** Reads the certificates again. Connections stay; a file that is of no use changes nothing. */
  reload(): void
  /** Stops accepting, answers what is in flight, closes; after `drainTimeoutMs` at the latest. */
  stop(): Promise<void>
}

/** The version in package.json, which lies beside src and dist. */
export const VERSION: string = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
).version

const PROTECTED =
  '-DENIED tq-proxy is running in protected mode because no password is set. In this mode connections are only accepted from the loopback interface. To accept others, set requirepass (best), or protectedMode to no if the network is trusted.\r\n'
const TOO_MANY = '-ERR max number of clients reached\r\n'
const LOAD_RETRY_MS = 500
/** How long a refused client has to take the reason and leave. */
const TURN_AWAY_MS = 1000

/** A reason not to start that a person can act on. */
export class StartError extends Error {}

/**
 * Starts a proxy. It listens before the upstream has been reached; until then commands get an error at once.
 * @throws StartError where it cannot listen
 */
export async function startProxy(config: Config, log: Logger): Promise<Proxy> {
  const specs = await loadTqSpecs()
  const scripts = loadScripts()
  const signer = config.passKeys === undefined ? null : await openKeys(config.passKeys)
  const tls = config.tlsCert === undefined && !config.upstreamTls ? null : await import('./tls.ts')
  const upstreamTls = config.upstreamTls ? startable(() => tls!.openUpstreamTls(config)) : null
  if (upstreamTls !== null && !config.upstreamTlsVerify) {
    log.warn({}, 'the certificates of the upstream are not checked: anybody can be the upstream')
  }
  const registry = Buffer.from(`${config.keyPrefix}events`)
  // Only TQ.EVENTS reads the registry, so a name that is missing there for a while does no harm.
  const register = (command: 'SADD' | 'SREM', event: Buffer): void => {
    ask(router, [command, registry, event], keySlot(registry)).catch((error: Error) =>
      log.debug({ reason: error.message }, 'the registry of events could not be written'),
    )
  }
  const routes = new EventRoutes(config.keyPrefix, config, {
    add: (event) => register('SADD', event),
    remove: (event) => register('SREM', event),
  })
  const tqCommands = [...specs.values()].map((spec) => new TqCommand(spec, scripts, routes, signer))
  let table = buildTable(null, tqCommands, config)
  let redisVersion = '7.0.0'
  let ready = false
  let announceReady = (): void => {}
  const readyOnce = new Promise<void>((resolve) => {
    announceReady = resolve
  })
  let topology: Topology | null = null
  let stopping = false

  const access = {
    username: config.upstreamUsername,
    password: config.upstreamPassword,
    connectTimeoutMs: config.connectTimeoutMs,
    tls: upstreamTls,
  }
  const router = new Router({
    link: {
      ...access,
      timeoutMs: config.upstreamTimeoutMs,
      scriptBodies: [...scripts.values()].map((script) => script.body),
    },
    retryDeadlineMs: config.retryDeadlineMs,
    maxRetrying: config.maxRetrying,
    log,
    openEvent: async (event) => {
      const route = event as EventRoute
      // A key that is there already, or that the wrong thing stands in, is for the script to judge.
      for (const words of routes.openingCommands(route))
        await ask(router, words, route.slot, true).catch(() => {})
    },
    refreshTopology: () => topology?.refresh(),
  })

  const subscriber = new Subscriber({
    tls: upstreamTls,
    username: config.upstreamUsername,
    password: config.upstreamPassword,
    connectTimeoutMs: config.connectTimeoutMs,
    timeoutMs: config.upstreamTimeoutMs,
    deadlineMs: config.retryDeadlineMs,
    masters: () => router.slots.nodes.map((node) => node.address),
    owner: (slot) => router.slots.owner(slot)?.address ?? null,
    refreshTopology: () => topology?.refresh(),
    onMessage: (kind, name, frame) => subscriptions.deliver(kind, name, frame),
    log,
  })
  const subscriptions = new Subscriptions(subscriber)

  const sessions = new Set<Session>()
  const totals = { connections: 0, commands: 0, refused: 0, authFailures: 0 }
  const users = new Users(config.requirepass, config.users)
  const environment: Environment = {
    version: VERSION,
    startedAt: Date.now(),
    get listenPort() {
      return (server.address() as AddressInfo | null)?.port ?? 0
    },
    get redisVersion() {
      return redisVersion
    },
    get ready() {
      return ready
    },
    get upstreamKind() {
      return topology?.kind ?? null
    },
    get masters() {
      return router.slots.nodes.length
    },
    get inFlight() {
      return router.depth
    },
    totals,
    registry,
    specs: specs as ReadonlyMap<string, TqSpec>,
    sessions: () => sessions,
    users,
    onAuthFailure: (session, name) => {
      totals.authFailures++
      // A name that nobody has may be a password in the wrong place.
      const user = users.has(name) ? { user: name } : {}
      log.warn({ client: session.id, address: session.address, ...user }, 'wrong password')
    },
    pubsub: subscriptions,
  }
  const planner = createPlanner({
    table: () => table,
    environment,
    unavailable: () => (ready ? null : router.unavailable),
    crossSlotAllowed: () => topology?.kind === 'standalone',
  })

  const limits = {
    maxArguments: config.maxArguments,
    maxBulkBytes: config.maxBulkBytes,
    maxRequestBytes: config.maxRequestBytes,
    maxPipelineDepth: config.maxPipelineDepth,
    maxPipelineBytes: config.maxPipelineBytes,
    clientOutputBufferLimit: config.clientOutputBufferLimit,
  }
  let nextId = 1
  const accept = (socket: Socket): void => {
    totals.connections++
    socket.setNoDelay(true)
    const refusal = refusalOf(socket)
    if (refusal !== null) {
      totals.refused++
      log.warn({ address: socket.remoteAddress, reason: refusal.slice(1, 40) }, 'client refused')
      turnAway(socket, refusal)
      return
    }
    sessions.add(
      new Session({
        id: nextId++,
        socket,
        planner,
        router,
        limits,
        authenticated: !users.needPassword,
        log,
        totals,
        onClose: (session) => {
          sessions.delete(session)
          if (sessions.size === 0) onEmpty?.()
        },
      }),
    )
  }
  const refusalOf = (socket: Socket): string | null => {
    if (sessions.size >= config.maxClients) return TOO_MANY
    if (config.protectedMode && !users.needPassword && !isLoopback(socket.remoteAddress ?? ''))
      return PROTECTED
    return null
  }
  let onEmpty: (() => void) | null = null

  const clientTls =
    config.tlsCert === undefined
      ? null
      : startable(() => tls!.createTlsServer(config, log, accept, () => totals.refused++))
  const server = clientTls?.server ?? createServer({ allowHalfOpen: true, noDelay: true }, accept)
  const { host, port } = splitAddress(config.listen)
  await listen(server, host, port)
  const upstreamWatch = upstreamTls?.watch(log)

  /** Learns the upstream's commands; tries again until it has them. */
  let loading = false
  const loadCommands = async (): Promise<void> => {
    if (loading || stopping) return
    loading = true
    try {
      const info = await ask(router, ['INFO', 'server'])
      const commands: CommandInfo[] = readCommandReply(await ask(router, ['COMMAND']))
      redisVersion = /^redis_version:(\S+)/m.exec(String(info))?.[1] ?? redisVersion
      table = buildTable(commands, tqCommands, config)
      if (!ready) {
        for (const unknown of users.unknownWords(knownWords(commands, specs.values()))) {
          log.error(unknown, 'rules of a user speak of commands or categories that are not there')
        }
      }
      if (!ready) log.info({ redisVersion, commands: commands.length, masters: environment.masters }, 'ready')
      ready = true
      announceReady()
    } catch (error) {
      const reason = (error as Error).message
      log.warn({ reason }, 'the commands of the upstream cannot be read, will try again')
      if (!ready && /^[A-Z]+ /.test(reason)) router.unavailable = reason
      setTimeout(() => void loadCommands(), LOAD_RETRY_MS).unref()
    }
    loading = false
  }

  let known = ''
  topology = watchTopology({
    seeds: config.upstream,
    access,
    refreshIntervalMs: config.topologyRefreshMs,
    log,
    onTopology: (ranges) => {
      if (stopping) return
      router.applyTopology(ranges)
      subscriber.topologyChanged()
      const masters = describe(ranges)
      if (masters === known) return
      log.info({ masters: masters.split(' ') }, 'topology changed')
      known = masters
      // Other nodes may be of another version.
      void loadCommands()
    },
    onUnavailable: (error) => {
      router.unavailable = error
    },
  })

  let stopped: Promise<void> | null = null
  return {
    host,
    port: environment.listenPort,
    get ready() {
      return ready
    },
    whenReady: () => readyOnce,
    reload() {
      clientTls?.reload()
      upstreamWatch?.reload()
    },
    stop() {
      stopped ??= stop()
      return stopped
    },
  }

  async function stop(): Promise<void> {
    stopping = true
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    if (sessions.size > 0) {
      const empty = new Promise<void>((resolve) => {
        onEmpty = resolve
      })
      const deadline = setTimeout(() => {
        for (const session of sessions) session.destroy('the proxy stops')
      }, config.drainTimeoutMs)
      for (const session of sessions) session.endAfterReplies()
      await empty
      clearTimeout(deadline)
    }
    clientTls?.stop()
    upstreamWatch?.stop()
    await closed
    topology?.stop()
    subscriber.close()
    router.close()
  }
}

async function openKeys(file: string): Promise<PassSigner> {
  try {
    const { openPassKeys } = await import('./passes.ts')
    return await openPassKeys(file)
  } catch (error) {
    throw new StartError((error as Error).message)
  }
}

/** Does what may fail for reasons that a person can act on. */
function startable<T>(open: () => T): T {
  try {
    return open()
  } catch (error) {
    throw new StartError((error as Error).message)
  }
}

/** Says why and hangs up; a peer that does not is cut off, so that it neither stays nor holds up a stop. */
function turnAway(socket: Socket, refusal: string): void {
  const timer = setTimeout(() => socket.destroy(), TURN_AWAY_MS)
  socket.once('close', () => clearTimeout(timer))
  socket.on('error', () => {})
  // Read on without looking: the peer's own end is not noticed otherwise.
  socket.resume()
  socket.end(refusal)
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const place = `${host}:${port}`
      if (error.code === 'EADDRINUSE') {
        reject(
          new StartError(
            `${place} is in use: stop what listens there, or choose another with --listen host:port`,
          ),
        )
      } else if (error.code === 'EACCES') {
        reject(
          new StartError(
            `${place} is not ours to take: choose a port of 1024 or more with --listen host:port`,
          ),
        )
      } else {
        reject(
          new StartError(`cannot listen on ${place} (${error.code}): choose another with --listen host:port`),
        )
      }
    })
    server.listen(port, host, resolve)
  })
}

/** The masters of a topology, in a form that can be compared. */
function describe(ranges: readonly ServedRange[]): string {
  return [...new Set(ranges.map((range) => range.address))].sort().join(' ')
}

function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:/, '')
  return isIP(plain) === 4 ? plain.startsWith('127.') : plain === '::1'
}
