// Runs the tests against one shared cluster and one lone Redis; the last line is `N passed, N failed`.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { delimiter, join, relative, resolve } from 'node:path'
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

/** Failures of one test that are shown in full. */
const MOST_TOLD = 10

/** Folders stand for the tests in them. A name that stands for nothing is more likely a slip than a wish. */
function expand(names: string[]): string[] {
  return names.flatMap((name) => {
    if (!existsSync(name)) throw new Error(`There is no ${name}: name test files or folders that exist.`)
    if (!statSync(name).isDirectory()) return [name]
    return globSync(join(name, '**/*.test.ts'), { exclude: ['**/fixtures/**'] }).sort()
  })
}

async function main(names: string[]): Promise<boolean> {
  const stops: (() => Promise<void>)[] = []
  let tap: ChildProcess | undefined
  const failures: string[] = []
  const missed = new Set<string>()
  const toldOf = new Map<string, number>()
  const { parser, counts } = tallyTap({
    onFile(name, ok, counts, ms) {
      missed.delete(name)
      for (const [test, told] of toldOf) {
        if (told > MOST_TOLD) say(`… and ${told - MOST_TOLD} more in ${test}\n`)
      }
      toldOf.clear()
      say(`${ok ? '✔' : '✘'} ${name}  ${summary(counts)}  ${seconds(ms)}`)
    },
    onPrinted(name, text) {
      say(`\n${name} printed:\n${text.replace(/^/gm, '    ').trimEnd()}\n`)
    },
    onFailure(path, details) {
      // A loop of assertions that fails as a whole would bury everything else.
      const test = path.slice(0, path.lastIndexOf(' > '))
      const told = (toldOf.get(test) ?? 0) + 1
      toldOf.set(test, told)
      if (told > MOST_TOLD) return
      failures.push(path)
      say(`\n✘ ${path}\n${details.replace(/^/gm, '    ').trimEnd()}\n`)
    },
  })

  // Ctrl-C reaches tap as well; we wait for it and still say how far it came.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => tap?.kill(signal))

  try {
    const files = expand(names.length > 0 ? names : [join(root, 'test')]).map((file) =>
      relative(root, resolve(file)),
    )
    if (files.length === 0) throw new Error(`There are no tests in ${names.join(', ')}.`)
    for (const file of files) missed.add(file)
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
    // When a file runs out of time tap ends the whole run, and says nothing of the files it has left out.
    for (const file of missed) {
      counts.failed++
      say(`✘ ${file} was not run`)
    }
    if (status !== '0' && counts.failed === 0) {
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
