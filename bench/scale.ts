// Prints what ENQUEUE, POS, LEAVE and ENTER cost in lines of different length: Redis's CPU time per command.
// usage: node bench/scale.ts [waiting …]   (1000, 100000 and 1000000 if none is given)

import { Redis } from 'ioredis'
import { defaultConfig } from '../src/config.ts'
import { startRedis } from '../src/dev/redis-cluster.ts'
import { openLog } from '../src/observe/log.ts'
import { startProxy } from '../src/proxy.ts'

const given = process.argv.slice(2).map(Number)
const counts = given.length > 0 ? given : [1000, 100_000, 1_000_000]
const BATCH = 500
/** Commands measured at a time; rounds go through all lengths in turn, so that a noisy moment hits all of them. */
const SAMPLE = 2000
const ROUNDS = 7

const redis = await startRedis()
const config = { ...defaultConfig(), listen: '127.0.0.1:0', upstream: [redis.address] }
const proxy = await startProxy(config, openLog('silent', 'json'))
await proxy.whenReady()
const direct = new Redis(redis.port, '127.0.0.1')
const client = new Redis(proxy.port, '127.0.0.1')
let next = 0

async function run(commands: readonly (readonly string[])[]): Promise<void> {
  for (let from = 0; from < commands.length; from += BATCH) {
    const pipeline = client.pipeline()
    for (const [name, ...words] of commands.slice(from, from + BATCH)) pipeline.call(name, ...words)
    for (const [error] of (await pipeline.exec())!) if (error !== null) throw error
  }
}

/** Microseconds of CPU time that Redis's main thread has used: reading, executing and answering. */
async function spent(): Promise<number> {
  const info = await direct.info('cpu')
  const seconds = (kind: string): number =>
    Number(new RegExp(`^used_cpu_${kind}_main_thread:([\\d.]+)`, 'm').exec(info)![1])
  return (seconds('user') + seconds('sys')) * 1e6
}

async function cost(commands: readonly (readonly string[])[]): Promise<number> {
  const before = await spent()
  await run(commands)
  return ((await spent()) - before) / commands.length
}

const join = (event: string, count: number): string[][] =>
  Array.from({ length: count }, () => [
    'TQ.ENQUEUE',
    event,
    `user-${next % 50_000}`,
    `token-${next++}-0123456789abcdef`,
  ])

for (const count of counts) {
  process.stderr.write(`filling a line of ${count}\n`)
  const event = `line-${count}`
  // ENTER is asked by people who have to wait: nobody is let in, and the line keeps its length.
  await client.call('TQ.CONFIG', event, 'rate', '0', 'capacity', '1', 'admit', 'manual')
  for (let filled = 0; filled < count; filled += 50_000)
    await run(join(event, Math.min(50_000, count - filled)))
}

const samples = new Map<string, number[]>()
for (let round = 0; round < ROUNDS; round++) {
  for (const count of counts) {
    const event = `line-${count}`
    const joins = join(event, SAMPLE)
    const tokens = joins.map((words) => words[3])
    const note = (name: string, value: number): void => {
      const key = `${name} ${count}`
      samples.set(key, [...(samples.get(key) ?? []), value])
    }
    note('ENQUEUE', await cost(joins))
    note('POS', await cost(tokens.map((token) => ['TQ.POS', event, token])))
    note('ENTER', await cost(tokens.map((token) => ['TQ.ENTER', event, token])))
    note('LEAVE', await cost(tokens.map((token) => ['TQ.LEAVE', event, token])))
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]
console.log(`| command | ${counts.map((count) => `${count} waiting`).join(' | ')} | largest / smallest |`)
console.log(`| --- |${' --- |'.repeat(counts.length + 1)}`)
for (const name of ['ENQUEUE', 'POS', 'ENTER', 'LEAVE']) {
  const values = counts.map((count) => median(samples.get(`${name} ${count}`)!))
  const ratio = Math.max(...values) / Math.min(...values)
  console.log(
    `| TQ.${name} | ${values.map((value) => `${value.toFixed(1)} µs`).join(' | ')} | ${ratio.toFixed(2)} |`,
  )
}
direct.disconnect()
client.disconnect()
await proxy.stop()
await redis.stop()
