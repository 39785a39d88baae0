// Runs redis-server processes in a temporary folder and makes sure that none outlives us, kill -9 included.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'

/** What all starts have in common. */
export interface RedisOptions {
  /** Program to run: a name on PATH or a path; `redis-server` by default. */
  readonly redisServer?: string
  /** More lines for redis.conf, such as `maxmemory 50mb`; they come last, so they win. May depend on the port. */
  readonly config?: readonly string[] | ((port: number) => readonly string[])
  /** Sets requirepass and masterauth. */
  readonly password?: string
  /** Hears in plain lines what is being done. */
  readonly onProgress?: (line: string) => void
}

/** One redis-server process; after a restart the same object stands for the new process. */
export interface RedisNode {
  readonly index: number
  readonly port: number
  /** `127.0.0.1:port` */
  readonly address: string
  /** The running process, or the last one that ran. */
  readonly pid: number
  readonly running: boolean
}

/** The processes that live and die together. */
export interface RedisGroup {
  /** Holds one folder per node with its redis.conf and redis.log. */
  readonly folder: string
  /** Major version of the program. */
  readonly major: number
  start(index: number, port: number, config: readonly string[]): Promise<RedisNode>
  kill(index: number, signal: NodeJS.Signals): Promise<void>
  restart(index: number): Promise<void>
  stop(): Promise<void>
  /** A control connection that fails instead of waiting, queueing or reconnecting. */
  connect(node: RedisNode): Promise<Redis>
}

/** Thrown when a port is taken, so that a caller who may choose can choose again. */
export class PortInUseError extends Error {
  constructor(port: number) {
    super(`Port ${port} is already in use: stop what listens there or choose another port.`)
    this.name = 'PortInUseError'
  }
}

// A process of its own, in a session of its own: it sees our end, whatever ended us, as the end of its input,
// and neither Ctrl-C in the terminal nor a killed process group reaches it before.
const WATCHDOG = `
trap '' HUP INT TERM
pids= folder=
while read -r word value; do
  case $word in
    folder) folder=$value ;;
    started) pids="$pids $value" ;;
    ended) left=; for pid in $pids; do [ "$pid" = "$value" ] || left="$left $pid"; done; pids=$left ;;
  esac
done
for pid in $pids; do kill -9 "$pid"; done
[ -z "$folder" ] || rm -rf "$folder"
`

const START_TIMEOUT_MS = 10_000

interface Entry extends RedisNode {
  child: ChildProcess
  ended: Promise<void>
  pid: number
  running: boolean
}

/**
 * Prepares a folder and a watchdog for some redis-server processes.
 *
 * @throws one sentence that says what to do when the program cannot be run
 */
export async function openRedisGroup(options: RedisOptions): Promise<RedisGroup> {
  const program = options.redisServer ?? 'redis-server'
  const major = await majorVersion(program)
  const folder = await mkdtemp(join(tmpdir(), 'tq-redis-'))
  const watchdog = spawn('sh', ['-c', WATCHDOG], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  })
  // Nothing here keeps the program alive: when it has nothing else to do it ends, and the watchdog cleans up.
  watchdog.unref()
  ;(watchdog.stdin as unknown as { unref(): void }).unref()
  watchdog.stdin.on('error', () => {})
  watchdog.on('error', () => {})
  watchdog.stdin.write(`folder ${folder}\n`)

  const entries = new Map<number, Entry>()

  function run(entry: Entry): void {
    const log = openSync(join(folder, String(entry.index), 'redis.log'), 'a')
    const child = spawn(program, ['redis.conf'], {
      cwd: join(folder, String(entry.index)),
      detached: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    child.unref()
    entry.child = child
    entry.running = child.pid !== undefined
    entry.pid = child.pid ?? 0
    if (entry.running) watchdog.stdin.write(`started ${entry.pid}\n`)
    entry.ended = new Promise((resolve) => {
      child.once('error', () => resolve())
      child.once('exit', () => {
        entry.running = false
        // Told at once: a number that is free again may become somebody else's process.
        watchdog.stdin.write(`ended ${child.pid}\n`)
        resolve()
      })
    })
  }

  async function logTail(entry: RedisNode): Promise<string> {
    const text = await readFile(join(folder, String(entry.index), 'redis.log'), 'utf8').catch(() => '')
    return text.trimEnd().split('\n').slice(-8).join('\n')
  }

  async function answers(entry: Entry): Promise<void> {
    for (const deadline = Date.now() + START_TIMEOUT_MS; ; await delay(10)) {
      if (!entry.running) {
        const tail = await logTail(entry)
        if (/address already in use/i.test(tail)) throw new PortInUseError(entry.port)
        throw new Error(`redis-server on port ${entry.port} ended while starting; its log says:\n${tail}`)
      }
      try {
        const redis = await connect(entry)
        const info = await redis.info('server').finally(() => redis.disconnect())
        // Another Redis may have taken the port meanwhile, and would answer just as kindly.
        if (info.includes(`process_id:${entry.pid}\r\n`)) return
      } catch {
        // Not listening yet, or loading.
      }
      if (Date.now() > deadline) {
        throw new Error(
          `redis-server on port ${entry.port} does not answer; its log says:\n${await logTail(entry)}`,
        )
      }
    }
  }

  async function connect(node: RedisNode): Promise<Redis> {
    const redis = new Redis({
      host: '127.0.0.1',
      port: node.port,
      ...(options.password === undefined ? {} : { password: options.password }),
      lazyConnect: true,
      connectTimeout: 2_000,
      commandTimeout: 5_000,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      retryStrategy: null,
      // A connection that failed leaves a timer of this length behind, which would hold up our own end.
      disconnectTimeout: 50,
    })
    // Failures reach the caller through the promises; without a listener they would be printed as well.
    redis.on('error', () => {})
    try {
      await redis.connect()
    } catch (error) {
      redis.disconnect()
      throw error
    }
    return redis
  }

  function entryOf(index: number): Entry {
    const entry = entries.get(index)
    if (!entry) throw new Error(`there is no Redis node ${index}`)
    return entry
  }

  async function kill(index: number, signal: NodeJS.Signals): Promise<void> {
    const entry = entryOf(index)
    if (!entry.running) return
    entry.child.ref()
    entry.child.kill(signal)
    // A stopped process goes on existing; every other signal sent here is meant to end it.
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') entry.child.unref()
    else await entry.ended
  }

  return {
    folder,
    major,
    connect,
    kill,
    async start(index, port, config) {
      const lines = [
        'bind 127.0.0.1',
        `port ${port}`,
        'daemonize no',
        'save ""',
        'appendonly no',
        'repl-diskless-sync yes',
        'repl-diskless-sync-delay 0',
        ...(options.password === undefined
          ? []
          : [`requirepass "${options.password}"`, `masterauth "${options.password}"`]),
        ...config,
        ...(typeof options.config === 'function' ? options.config(port) : (options.config ?? [])),
      ]
      await mkdir(join(folder, String(index)), { recursive: true })
      await writeFile(join(folder, String(index), 'redis.conf'), `${lines.join('\n')}\n`)
      const entry = { index, port, address: `127.0.0.1:${port}` } as Entry
      entries.set(index, entry)
      run(entry)
      await answers(entry)
      return entry
    },
    async restart(index) {
      await kill(index, 'SIGKILL')
      const entry = entryOf(index)
      run(entry)
      await answers(entry)
    },
    async stop() {
      await Promise.all([...entries.keys()].map((index) => kill(index, 'SIGKILL')))
      await rm(folder, { recursive: true, force: true })
      watchdog.stdin.end()
    },
  }
}

/**
 * Ports that follow one another and are free, their cluster bus ports (10,000 above) too where asked.
 *
 * @param basePort - the first one; chosen where it is left out
 * @throws PortInUseError when `basePort` is given and a port is taken
 */
export async function findPorts(count: number, withBus: boolean, basePort?: number): Promise<number[]> {
  const needed = (base: number) => {
    const ports = Array.from({ length: count }, (_, i) => base + i)
    return { ports, all: withBus ? [...ports, ...ports.map((port) => port + 10_000)] : ports }
  }
  if (basePort !== undefined) {
    const highest = 65_535 - count + 1 - (withBus ? 10_000 : 0)
    if (!Number.isInteger(basePort) || basePort < 1 || basePort > highest) {
      throw new Error(`The base port must be a whole number from 1 to ${highest}.`)
    }
    const { ports, all } = needed(basePort)
    for (const port of all) if (!(await isFree(port))) throw new PortInUseError(port)
    return ports
  }
  for (let attempt = 0; attempt < 200; attempt++) {
    // Below 32,768, where Linux begins to hand out ports to outgoing connections; random, since several of
    // us may be looking at the same moment.
    const { ports, all } = needed(11_000 + Math.floor(Math.random() * (11_500 - count)))
    const free = await Promise.all(all.map(isFree))
    if (free.every(Boolean)) return ports
  }
  throw new Error(`No ${count} free ports in a row between 11000 and 22500: stop what listens there.`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}

function majorVersion(program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    execFile(program, ['--version'], { timeout: START_TIMEOUT_MS }, (error, stdout) => {
      const version = /\bv=(\d+)\./.exec(stdout)
      if (version) resolve(Number(version[1]))
      else if (error) reject(new Error(missing(program)))
      else
        reject(
          new Error(`${program} is not a redis-server: name the right program with --redis-server PATH.`),
        )
    })
  })
}

function missing(program: string): string {
  return program === 'redis-server'
    ? 'redis-server was not found: install it (on Debian and Ubuntu: apt-get install redis-server) or name it with --redis-server PATH.'
    : `${program} cannot be run: name an executable redis-server with --redis-server PATH.`
}
