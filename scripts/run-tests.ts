// Runs the tests against one shared cluster and one lone Redis; the last line is `N passed, N failed`.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startRedis, startRedisCluster } from '../src/dev/redis-cluster.ts'
import { type Counts, tallyTap } from './tap-tally.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const began = Date.now()

function say(line: string): void {
  console.log(line)
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

function summary(counts: Counts): string {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`
}

/** Folders stand for the tests in them. A name that stands for nothing is more likely a slip than a wish. */
function expand(names: string[]): string[] {
  return names.flatMap((name) => {
    if (!existsSync(name)) throw new Error(`There is no ${name}: name test files or folders that exist.`)
    return statSync(name).isDirectory() ? globSync(join(name, '**/*.test.ts')) : [name]
  })
}

async function main(names: string[]): Promise<boolean> {
  const stops: (() => Promise<void>)[] = []
  let tap: ChildProcess | undefined
  const failures: string[] = []
  const { parser, counts } = tallyTap({
    onFile(name, ok, counts, ms) {
      say(`${ok ? '✔' : '✘'} ${name}  ${summary(counts)}  ${seconds(ms)}`)
    },
    onPrinted(name, text) {
      say(`\n${name} printed:\n${text.replace(/^/gm, '    ').trimEnd()}\n`)
    },
    onFailure(path, details) {
      failures.push(path)
      say(`\n✘ ${path}\n${details.replace(/^/gm, '    ').trimEnd()}\n`)
    },
  })

  // Ctrl-C reaches tap as well; we wait for it and still say how far it came.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => tap?.kill(signal))

  try {
    const files = expand(names)
    if (names.length > 0 && files.length === 0) throw new Error(`There are no tests in ${names.join(', ')}.`)
    say('starting a Redis Cluster (3 masters, 3 replicas) and a lone Redis for the tests')
    const [cluster, redis] = await Promise.all([
      startRedisCluster({ masters: 3, replicas: 1, nodeTimeoutMs: 5_000 }),
      startRedis(),
    ])
    stops.push(cluster.stop, redis.stop)

    tap = spawn('tap', ['--reporter=tap', ...files], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        PATH: join(root, 'node_modules', '.bin') + delimiter + process.env.PATH,
        TQ_TEST_CLUSTER: cluster.addresses.join(','),
        TQ_TEST_REDIS: redis.address,
      },
    })
    const parsed = new Promise<void>((resolve) => parser.once('complete', () => resolve()))
    tap.stdout!.pipe(parser)
    const status = await new Promise<string>((resolve, reject) => {
      tap!.once('error', reject)
      tap!.once('close', (code, signal) => resolve(signal ?? String(code)))
    })
    await parsed
    if (counts.passed + counts.failed === 0) {
      counts.failed++
      say('No test was run: name test files or folders, such as test/dev, or none for all.')
    } else if (status !== '0' && counts.failed === 0) {
      counts.failed++
      say(`The test runner ended with ${status} although no test failed.`)
    }
  } catch (error) {
    counts.failed++
    say(error instanceof Error ? error.message : String(error))
  } finally {
    await Promise.allSettled(stops.map((stop) => stop()))
  }

  if (failures.length > 0) say(`\nwhat failed:\n${failures.map((path) => `  ✘ ${path}`).join('\n')}`)
  say(`\nthe tests took ${seconds(Date.now() - began)}`)
  say(summary(counts))
  return counts.failed === 0
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
