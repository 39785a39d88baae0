// redis-benchmark runs through the proxy to its end without a complaint.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { randomName } from '../fixtures/cluster.ts'
import { startTestProxy } from '../fixtures/proxy.ts'

const { port } = await startTestProxy(t)

/** Runs redis-benchmark quietly and gives the names of the tests that it finished. */
async function finished(t: Test, args: readonly string[], at = port): Promise<string[]> {
  const child = spawn('redis-benchmark', ['-p', String(at), '-q', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  t.equal(stderr, '', 'nothing on stderr')
  t.equal(signal ?? code, 0, `ends well: ${stdout.slice(-200)}`)
  t.notMatch(stdout, /error|warning/i)
  return [...stdout.matchAll(/([^\r\n]+): [\d.]+ requests per second/g)].map(([, name]) => name!.trim())
}

const TESTS = 'ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset'
const NAMES = [
  'PING_INLINE',
  'PING_MBULK',
  'SET',
  'GET',
  'INCR',
  'LPUSH',
  'RPUSH',
  'LPOP',
  'RPOP',
  'SADD',
  'HSET',
  'SPOP',
  'ZADD',
  'ZPOPMIN',
  'LPUSH (needed to benchmark LRANGE)',
  'LRANGE_100 (first 100 elements)',
  'MSET (10 keys)',
]

for (const [how, flags] of [
  ['one command at a time', []],
  ['with pipelines of 16', ['-P', '16']],
  ['with RESP3', ['-3']],
  ['with two threads', ['--threads', '2']],
] as const) {
  t.test(`redis-benchmark runs its tests ${how}`, async (t) => {
    t.same(await finished(t, ['-n', '1600', '-c', '16', '-t', TESTS, ...flags]), NAMES)
  })
}

t.test('redis-benchmark spreads keys over all slots', async (t) => {
  const names = await finished(t, [
    '-n',
    '5000',
    '-c',
    '50',
    '-r',
    '100000',
    '-P',
    '16',
    '-t',
    'set,get,incr',
  ])
  t.same(names, ['SET', 'GET', 'INCR'])
})

for (const pipeline of ['1', '16']) {
  t.test(`redis-benchmark runs TQ commands with pipelines of ${pipeline}`, async (t) => {
    const common = ['-n', '3200', '-c', '50', '-P', pipeline, '-r', '1000000']
    const event = randomName()
    for (const command of [
      ['TQ.ENQUEUE', event, 'user-__rand_int__', 'token-__rand_int__'],
      ['TQ.ENQUEUE', `${event}-__rand_int__`, 'user', 'token'],
      ['TQ.POS', event, 'token-__rand_int__'],
      ['TQ.STATUS', event, 'token-__rand_int__'],
    ]) {
      t.same(await finished(t, [...common, ...command]), [command.join(' ')])
    }
  })
}

t.test('redis-benchmark gives a password', async (t) => {
  const requirepass = randomName('secret')
  const guarded = await startTestProxy(t, { requirepass })
  t.same(await finished(t, ['-a', requirepass, '-n', '500', '-t', 'set'], guarded.port), ['SET'])
})
