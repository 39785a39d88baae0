// The program as a person or a supervisor runs it: what it says, what it takes, how it ends.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { ownRedis, randomName, sharedCluster, waitFor } from './fixtures/cluster.ts'
import { rawClient } from './fixtures/raw-client.ts'

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url))
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

/** A script that keeps its node busy for ARGV[1] microseconds. */
const BUSY =
  "local a = redis.call('TIME') repeat local b = redis.call('TIME') until (b[1] - a[1]) * 1000000 + b[2] - a[2] > ARGV[1] + 0 return 'done'"

interface Run {
  readonly child: ChildProcess
  out: string
  err: string
  /** Exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

function run(t: Test, args: readonly string[], variables: Record<string, string> = {}): Run {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('TQ_'))
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...Object.fromEntries(inherited), ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  return watch(child)
}

function watch(child: ChildProcess): Run {
  const state: Run = {
    child,
    out: '',
    err: '',
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal!))),
  }
  child.stdout!.on('data', (data) => {
    state.out += data
  })
  child.stderr!.on('data', (data) => {
    state.err += data
  })
  return state
}

/** The log lines so far. */
function logOf({ err }: Run): Record<string, unknown>[] {
  return err
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line))
}

/** Starts the proxy on a free port and waits until it listens there. */
async function serve(t: Test, args: readonly string[], variables: Record<string, string> = {}) {
  const process = run(t, args, variables)
  const line = await waitFor('it to listen', () => {
    if (process.child.exitCode !== null) throw new Error(process.err)
    return logOf(process).find(({ msg }) => msg === 'listening')
  })
  return { process, port: Number(line.port), line }
}

t.test('--version prints the version, --help teaches', async (t) => {
  const [short, long, help, serveHelp, ...others] = await Promise.all(
    [
      ['-V'],
      ['--version'],
      ['--help'],
      ['serve', '--help'],
      ['dev', '--help'],
      ['check', '--help'],
      ['help', 'serve'],
    ].map(async (args) => {
      const process = run(t, args)
      t.equal(await process.ended, 0, args.join(' '))
      t.equal(process.err, '')
      return process.out
    }),
  )
  t.equal(short, `${version}\n`)
  t.equal(long, `${version}\n`)
  t.match(help, /serve.*dev.*check/s)
  for (const text of [help!, serveHelp!, ...others]) t.match(text, /Examples?:\n {2}.*tq-proxy/)
  t.match(serveHelp, /--max-clients <number>.*\[TQ_MAX_CLIENTS\] \(10000\)/s)
  t.match(serveHelp, /the flag counts before the variable, the variable before the file/)
})

t.test('wrong values are told in one sentence each, all at once', async (t) => {
  const file = join(t.testdir({ 'bad.yaml': 'maxClient: 7\nmaxArguments: many\n' }), 'bad.yaml')
  const bad = run(t, ['--max-clients', 'x', '--listen', 'nowhere', '--log-level', 'loud', '--config', file], {
    TQ_DRAIN_TIMEOUT_MS: '-1',
    TQ_REQUIREPASS: '',
  })
  t.equal(await bad.ended, 2)
  t.equal(bad.out, '')
  const lines = bad.err.trimEnd().split('\n').sort()
  t.match(lines, [
    /^tq-proxy: --listen: "nowhere" is not allowed, it takes host:port, such as /,
    /^tq-proxy: --log-level: "loud" is not allowed, it takes one of trace, debug, /,
    /^tq-proxy: --max-clients: "x" is not allowed, it takes a whole number from 1 to /,
    /^tq-proxy: .*bad\.yaml: there is no setting "maxClient"$/,
    /^tq-proxy: TQ_DRAIN_TIMEOUT_MS: "-1" is not allowed, it takes a whole number from 0 to /,
    /^tq-proxy: TQ_REQUIREPASS: the value given is not allowed, it takes a text that is not empty$/,
    /^tq-proxy: maxArguments in .*bad\.yaml: "many" is not allowed, it takes a whole number from /,
  ])
  t.equal(lines.length, 7)
})

t.test('a file that cannot be read, and words that mean nothing, are wrong usage too', async (t) => {
  const dir = t.testdir({ 'broken.json': '{"maxClients": ', 'list.yaml': '- a\n- b\n' })
  for (const [args, sentence] of [
    [['--config', join(dir, 'none.yaml')], /^tq-proxy: the configuration file .*none\.yaml is not there\n$/],
    [['--config', join(dir, 'broken.json')], /^tq-proxy: .*broken\.json is neither YAML nor JSON: .*\n$/],
    [
      ['--config', join(dir, 'list.yaml')],
      /^tq-proxy: .*list\.yaml: a configuration is a list of "name: value" lines\n$/,
    ],
    [['--max-client', '7'], /^error: unknown option '--max-client'\n/],
    [['--max-clients'], /^error: option '--max-clients <number>' argument missing\n/],
    [['serv'], /^error: /],
    [
      ['dev', '--masters', '0'],
      /^tq-proxy: --masters: "0" is not allowed, it takes a whole number from 1 to 30\n$/,
    ],
  ] as const) {
    const process = run(t, args)
    t.equal(await process.ended, 2, args.join(' '))
    t.match(process.err, sentence)
  }
})

t.test('a flag counts before a variable, a variable before the file, YAML or JSON', async (t) => {
  const dir = t.testdir({
    'a.yaml': 'listen: 127.0.0.1:0\nupstream: 127.0.0.1:1\nlogFormat: json\n',
    'a.json': '{"listen": "127.0.0.1:0", "upstream": ["127.0.0.1:1", "127.0.0.1:4"], "logFormat": "json"}',
  })
  const [yaml, json] = [join(dir, 'a.yaml'), join(dir, 'a.json')]
  const variable = { TQ_UPSTREAM: '127.0.0.1:2' }
  for (const [args, variables, upstream] of [
    [['--config', yaml], {}, ['127.0.0.1:1']],
    [['serve', '--config', json], {}, ['127.0.0.1:1', '127.0.0.1:4']],
    [[], { TQ_CONFIG: yaml }, ['127.0.0.1:1']],
    [['--config', yaml], { ...variable, TQ_CONFIG: '/not/this/one' }, ['127.0.0.1:2']],
    [['--config', yaml, '--upstream', '127.0.0.1:3'], variable, ['127.0.0.1:3']],
  ] as const) {
    const { process, line } = await serve(t, args, variables)
    t.same(line.upstream, upstream)
    process.child.kill('SIGTERM')
    t.equal(await process.ended, 0)
  }
})

t.test('a port in use is one sentence that says what to do', async (t) => {
  const squatter = createServer()
  await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve))
  t.teardown(() => squatter.close())
  const { port } = squatter.address() as { port: number }
  const process = run(t, ['--listen', `127.0.0.1:${port}`])
  t.equal(await process.ended, 1)
  t.equal(
    process.err,
    `tq-proxy: 127.0.0.1:${port} is in use: stop what listens there, or choose another with --listen host:port\n`,
  )
})

t.test('SIGTERM', async (t) => {
  const redis = await ownRedis(t)
  const args = ['--listen', '127.0.0.1:0', '--upstream', redis.address, '--log-format', 'json']
  const isReady = async (process: Run): Promise<unknown> =>
    waitFor('the upstream', () => logOf(process).some(({ msg }) => msg === 'ready'))

  /** Sends a command that takes `micros`, and waits until it is at the node. */
  const busy = async (port: number, micros: number) => {
    const client = await rawClient(port)
    t.teardown(client.destroy)
    t.equal(await client.call('PING'), 'PONG')
    const reply = client.command('EVAL', BUSY, 1, randomName(), micros)
    reply.catch(() => {})
    const watcher = await rawClient(port)
    t.teardown(watcher.destroy)
    await waitFor('it to be out', async () =>
      /tq_upstream_in_flight:1\r/.test(String(await watcher.call('INFO', 'tq'))),
    )
    return { client, reply }
  }

  t.test('lets what is in flight end, takes nothing new, and exits with 0', async (t) => {
    const { process, port } = await serve(t, args)
    await isReady(process)
    const idle = await rawClient(port)
    t.teardown(idle.destroy)
    const { client, reply } = await busy(port, 700_000)
    process.child.kill('SIGTERM')
    await waitFor('it to stop listening', () =>
      rawClient(port).then(
        (late) => late.destroy(),
        () => true,
      ),
    )
    await idle.closed
    t.equal(String(await reply), '$4\r\ndone\r\n')
    await client.closed
    t.equal(await process.ended, 0)
    const said = logOf(process).map(({ msg }) => msg)
    t.same(
      said.filter((message) => message === 'stopping' || message === 'stopped'),
      ['stopping', 'stopped'],
    )
  })

  t.test('waits no longer than drainTimeoutMs', async (t) => {
    const { process, port } = await serve(t, [...args, '--drain-timeout-ms', '300'])
    await isReady(process)
    const { client } = await busy(port, 4_000_000)
    const began = Date.now()
    process.child.kill('SIGTERM')
    t.equal(await process.ended, 0)
    t.ok(Date.now() - began >= 300 && Date.now() - began < 2500, `${Date.now() - began} ms`)
    await client.closed
    t.equal(client.unread().length, 0)
  })

  t.test('a second one ends it at once', async (t) => {
    // The node may still be busy with what the last proxy left it.
    const direct = await rawClient(redis.port)
    await direct.call('PING')
    direct.destroy()
    const { process, port } = await serve(t, [...args, '--drain-timeout-ms', '60000'])
    await isReady(process)
    await busy(port, 2_000_000)
    process.child.kill('SIGTERM')
    await waitFor('it to be stopping', () => logOf(process).some(({ msg }) => msg === 'stopping'))
    process.child.kill('SIGINT')
    t.equal(await process.ended, 1)
  })
})

t.test('check tells of every master, and its exit status says whether all is well', async (t) => {
  const upstream = (await sharedCluster()).join(',')
  const good = run(t, ['check', '--upstream', upstream])
  t.equal(await good.ended, 0, good.err)
  const lines = good.out.trimEnd().split('\n')
  t.ok(lines.every((line) => line.startsWith('ok   ')))
  t.match(good.out, /a cluster, state ok, 16384 of 16384 slots served by 3 masters/)
  for (const what of [
    /: Redis \d+\.\d+\.\d+, role master$/,
    /: maxmemory-policy noeviction$/,
    /: append-only file off/,
    /: scripts load$/,
  ]) {
    t.equal(lines.filter((line) => what.test(line)).length, 3, String(what))
  }

  const lone = await ownRedis(t, { config: ['maxmemory-policy allkeys-lru'] })
  const evicting = run(t, ['check'], { TQ_UPSTREAM: lone.address })
  t.equal(await evicting.ended, 1)
  t.match(evicting.out, /^FAIL .*maxmemory-policy allkeys-lru would lose queue entries: set noeviction$/m)
  t.match(evicting.out, /^ok {3}.*: one standalone Redis$/m)

  const nobody = run(t, ['check', '--upstream', '127.0.0.1:1'])
  t.equal(await nobody.ended, 1)
  t.match(nobody.out, /^FAIL 127\.0\.0\.1:1: cannot be reached: .*ECONNREFUSED/m)

  const locked = await ownRedis(t, { password: 'sesame' })
  const [without, withIt] = [
    run(t, ['check', '--upstream', locked.address]),
    run(t, ['check', '--upstream', locked.address], { TQ_UPSTREAM_PASSWORD: 'sesame' }),
  ]
  t.equal(await without.ended, 1)
  t.match(without.out, /^FAIL .*NOAUTH/m)
  t.equal(await withIt.ended, 0)
  t.notMatch(withIt.out, /sesame/)
})

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

t.test('dev', async (t) => {
  const args = ['dev', '--masters', '1', '--listen', '127.0.0.1:0']

  /** Waits until it serves; gives the port, and what must be gone afterwards. */
  const whenReady = async (process: Run) => {
    const [, port, nodes] = await waitFor('dev to be ready', () => {
      if (process.child.exitCode !== null) throw new Error(process.err)
      return /^tq-proxy is ready on 127\.0\.0\.1:(\d+), before 1 Redis nodes: (\S+)\n/m.exec(process.out)
    })
    const client = await rawClient(Number(port))
    const key = randomName()
    t.equal(await client.call('SET', key, 1), 'OK')
    client.destroy()
    const node = await rawClient(Number(nodes!.split(':')[1]))
    const info = String(await node.call('INFO', 'server'))
    const pid = Number(/process_id:(\d+)/.exec(info)![1])
    const folder = /config_file:(.*)\/0\/redis\.conf/.exec(info)![1]!.trim()
    node.destroy()
    t.ok(isAlive(pid))
    t.ok(existsSync(folder))
    return { pid, folder }
  }
  const leavesNothing = async (t: Test, { pid, folder }: { pid: number; folder: string }): Promise<void> => {
    t.ok(await waitFor('the node to end', () => !isAlive(pid)))
    t.ok(await waitFor('the folder to go', () => !existsSync(folder)))
  }

  t.test('serves an embedded cluster and is gone on SIGTERM', async (t) => {
    const process = run(t, args)
    const rest = await whenReady(process)
    process.child.kill('SIGTERM')
    t.equal(await process.ended, 0)
    t.notOk(isAlive(rest.pid), 'at its end, all is gone already')
    t.notOk(existsSync(rest.folder))
  })

  t.test('leaves nothing behind a kill -9', async (t) => {
    const process = run(t, args)
    const rest = await whenReady(process)
    process.child.kill('SIGKILL')
    t.equal(await process.ended, 'SIGKILL')
    await leavesNothing(t, rest)
  })

  t.test('ends when the process that started it was killed', async (t) => {
    const script = join(t.testdir({}), 'parent.sh')
    writeFileSync(script, '"$@" & echo "pid $!"; wait\n')
    const parent = watch(
      spawn('sh', [script, process.execPath, CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }),
    )
    const rest = await whenReady(parent)
    const pid = Number(/^pid (\d+)$/m.exec(parent.out)![1])
    t.teardown(() => isAlive(pid) && process.kill(pid, 'SIGKILL'))
    parent.child.kill('SIGKILL')
    t.ok(await waitFor('dev to end', () => !isAlive(pid)))
    await leavesNothing(t, rest)
  })
})
