// Prints what the proxy adds to SET and TQ.ENQUEUE: CPU a command and throughput, direct and through it in turn.
// usage: node bench/first-look.ts [--rounds 3]

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { startRedisCluster } from '../src/dev/redis-cluster.ts'

const CONNECTIONS = 50
/** redis-benchmark takes its random numbers below this; two equal tokens in a run are then rare. */
const RANDOM_BELOW = 2_000_000_000
/** Every run should take one to two seconds: the proxy's CPU time comes in steps of 10 ms. */
const RUNS = [
  { workload: 'SET', pipeline: 1, requests: 150_000 },
  { workload: 'SET', pipeline: 16, requests: 600_000 },
  { workload: 'TQ.ENQUEUE', pipeline: 1, requests: 40_000 },
  { workload: 'TQ.ENQUEUE', pipeline: 16, requests: 60_000 },
] as const
const WAYS = ['direct', 'proxy'] as const

type Run = (typeof RUNS)[number]
type Way = (typeof WAYS)[number]

/** One run: CPU in µs a command, throughput in commands a second, latencies in ms. */
interface Sample {
  proxyCpu: number
  redisCpu: number
  throughput: number
  p50: number
  p99: number
}

interface Target {
  port: number
  pid: number
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1000) {
  console.error('--rounds takes a whole number from 1 to 1000')
  process.exit(2)
}

/** Microseconds of CPU that a process has used, all threads, user and system. */
function cpuOf(pid: number): number {
  // The name, in parentheses, may hold spaces; the 12th and 13th field behind it count ticks of 10 ms.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

/** Microseconds of CPU that Redis has used, as it says itself: finer than ticks. */
async function redisCpu(redis: Redis): Promise<number> {
  const info = await redis.info('cpu')
  const seconds = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)![1])
  return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1e6
}

/** The proxy as a process of its own, with its default settings. */
async function startProxyProcess(upstream: string): Promise<Target & { stop(): Promise<void> }> {
  const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url))
  const child = spawn(
    process.execPath,
    [cli, 'serve', '--listen', '127.0.0.1:0', '--upstream', upstream, '--log-format', 'json'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  process.once('exit', () => child.kill('SIGKILL'))
  let port = 0
  let ready = false
  for await (const line of createInterface(child.stderr)) {
    const entry = JSON.parse(line) as { msg: string; port?: number }
    if (entry.msg === 'listening') port = entry.port!
    if (entry.msg === 'ready') ready = true
    if (ready && port > 0) break
  }
  if (!ready) throw new Error('the proxy ended before it was ready')
  child.stderr.resume()
  return {
    port,
    pid: child.pid!,
    async stop() {
      const closed = once(child, 'close')
      child.kill('SIGTERM')
      await closed
    },
  }
}

/** Runs redis-benchmark once; an error reply ends it with a status, and so this program. */
async function load(port: number, run: Run, requests: number, command: readonly string[]): Promise<number[]> {
  const options = ['-p', String(port), '-c', String(CONNECTIONS), '-n', String(requests), '--csv']
  const child = spawn(
    'redis-benchmark',
    [...options, '-P', String(run.pipeline), '-r', String(RANDOM_BELOW), ...command],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
  })
  const [code] = (await once(child, 'close')) as [number | null]
  // "<command>","<rps>","<avg>","<min>","<p50>","<p95>","<p99>","<max>", and the command may hold anything
  const numbers = /((?:,"[\d.]+"){7})\s*$/.exec(output)?.[1]
  if (code !== 0 || numbers === undefined) {
    throw new Error(`redis-benchmark ended with ${code}: ${output.slice(-300)}`)
  }
  return [...numbers.matchAll(/"([\d.]+)"/g)].map(([, number]) => Number(number))
}

/**
 * The EVALSHA that the proxy makes of a TQ.ENQUEUE, as the node sees it: so the direct runs call the same script
 * with the same keys and arguments, whatever they are.
 */
async function captureEnqueue(redis: Redis, proxyPort: number): Promise<string[]> {
  const client = new Redis(proxyPort, '127.0.0.1')
  // The first call may send the script's text; only the second is by its digest.
  await client.call('TQ.ENQUEUE', 'warm-up', 'user', 'token')
  const monitor = await redis.monitor()
  const captured = new Promise<string[]>((resolve) => {
    monitor.on('monitor', (_time: string, words: string[]) => {
      if (words[0]!.toUpperCase() === 'EVALSHA' && words.includes('(token)')) resolve(words)
    })
  })
  await client.call('TQ.ENQUEUE', '(event)', '(user)', '(token)')
  const words = await captured
  monitor.disconnect()
  client.disconnect()
  return words
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** `median (least – most)` */
function spread(numbers: readonly number[], digits: number): string {
  const show = (number: number): string =>
    number.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return `${show(median(numbers))} (${show(Math.min(...numbers))} – ${show(Math.max(...numbers))})`
}

console.error('starting a cluster of one master, and the proxy before it')
const cluster = await startRedisCluster({ masters: 1, replicas: 0 })
const node = cluster.nodes[0]!
const redis = new Redis(node.port, '127.0.0.1')
const proxy = await startProxyProcess(node.address)
const template = await captureEnqueue(redis, proxy.port)

/** The words for redis-benchmark; each run has an event of its own, so that each begins with an empty line. */
function commandFor(run: Run, way: Way, event: string): string[] {
  if (run.workload === 'SET') return ['SET', 'key:__rand_int__', 'value']
  if (way === 'proxy') return ['TQ.ENQUEUE', event, 'user-__rand_int__', 'token-__rand_int__']
  // Keys are followed by the request id, which no two calls share.
  const requestIdAt = 3 + Number(template[2])
  return template.map((word, i) => {
    if (i === requestIdAt) return `${word.slice(0, -12)}__rand_int__`
    return word
      .replace('(event)', event)
      .replace('(user)', 'user-__rand_int__')
      .replace('(token)', 'token-__rand_int__')
  })
}

let count = 0
async function measure(run: Run, way: Way, requests: number): Promise<Sample> {
  const event = `bench-${count++}`
  const command = commandFor(run, way, event)
  const port = way === 'proxy' ? proxy.port : node.port
  const before = { proxy: cpuOf(proxy.pid), redis: await redisCpu(redis) }
  const [throughput, , , p50, , p99] = await load(port, run, requests, command)
  const proxyCpu = (cpuOf(proxy.pid) - before.proxy) / requests
  const sample = {
    proxyCpu,
    redisCpu: ((await redisCpu(redis)) - before.redis) / requests,
    throughput: throughput!,
    p50: p50!,
    p99: p99!,
  }
  if (run.workload === 'TQ.ENQUEUE') {
    const waiting = await redis.zcard(`tq:{${event}}:line`)
    if (waiting < requests * 0.99)
      throw new Error(`${way}: ${requests} sent, only ${waiting} wait in the line of ${event}`)
  }
  await redis.flushall()
  return sample
}

const samples = new Map<string, Sample[]>()
for (const run of RUNS) for (const way of WAYS) await measure(run, way, Math.ceil(run.requests / 4))
for (let round = 1; round <= rounds; round++) {
  console.error(`round ${round} of ${rounds}`)
  for (const run of RUNS) {
    for (const way of WAYS) {
      const key = `${run.workload} ${run.pipeline} ${way}`
      samples.set(key, [...(samples.get(key) ?? []), await measure(run, way, run.requests)])
    }
  }
}

const redisVersion = /^redis_version:(\S+)/m.exec(await redis.info('server'))![1]
redis.disconnect()
await proxy.stop()
await cluster.stop()

const [cpu] = cpus()
console.log(
  [
    `${cpu!.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`,
    `Linux ${release()}, Node ${process.versions.node}, Redis ${redisVersion}`,
    `${rounds} rounds, ${CONNECTIONS} connections, one master; median (least – most)`,
  ].join('; '),
)
console.log(
  '\n| command | pipeline | way | commands a second | proxy µs a command | Redis µs a command | p50 ms | p99 ms |',
)
console.log('| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |')
for (const { workload, pipeline } of RUNS) {
  for (const way of WAYS) {
    const all = samples.get(`${workload} ${pipeline} ${way}`)!
    const column = (field: keyof Sample, digits: number): string =>
      spread(
        all.map((sample) => sample[field]),
        digits,
      )
    console.log(
      `| ${workload} | ${pipeline} | ${way} | ${column('throughput', 0)} | ${way === 'proxy' ? column('proxyCpu', 1) : '–'} | ${column('redisCpu', 1)} | ${column('p50', 2)} | ${column('p99', 2)} |`,
    )
  }
}
