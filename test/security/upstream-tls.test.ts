// TLS between the proxy and the nodes: clients' commands, the topology watch and `check` all go over it.

import { spawn } from 'node:child_process'
import { copyFileSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { checkUpstream } from '../../src/check-command.ts'
import { defaultConfig } from '../../src/config.ts'
import { type Authority, makeAuthority, type Pair } from '../fixtures/certificates.ts'
import { ownCluster, ownRedis, randomName, waitFor } from '../fixtures/cluster.ts'
import { type ProxyOverrides, startTestProxy } from '../fixtures/proxy.ts'
import { rawClient } from '../fixtures/raw-client.ts'

const folder = t.testdir({})
const ca: Authority = makeAuthority(folder)
const stranger: Authority = makeAuthority(folder, 'stranger')
const nodePair = ca.sign('node', 'node.example')

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

function tlsConfig(port: number, { cert, key }: Pair, clients = 'no'): string[] {
  return [
    `tls-port ${port}`,
    `tls-cert-file ${cert}`,
    `tls-key-file ${key}`,
    `tls-ca-cert-file ${ca.cert}`,
    `tls-auth-clients ${clients}`,
  ]
}

/** A lone Redis that also speaks TLS; its address there. */
async function tlsRedis(t: Test, pair = nodePair, clients = 'no'): Promise<string> {
  const port = await freePort()
  await ownRedis(t, { config: tlsConfig(port, pair, clients) })
  return `127.0.0.1:${port}`
}

async function connect(t: Test, port: number) {
  const client = await rawClient(port)
  t.teardown(client.destroy)
  return client
}

/** Why the upstream cannot be reached. */
async function failureOf(t: Test, overrides: ProxyOverrides): Promise<string> {
  const proxy = await startTestProxy(t, { waitUntilReady: false, ...overrides })
  const line = await waitFor('a failure', () =>
    proxy.log.find(({ message }) => message.startsWith('upstream not reachable')),
  )
  const client = await connect(t, proxy.port)
  t.match(String(await client.call('GET', 'a')), /CLUSTERDOWN/)
  return String(line.fields.failures)
}

t.test('a cluster is served over TLS alone: links, topology and check', async (t) => {
  const ports = await Promise.all([freePort(), freePort(), freePort()])
  const left = [...ports]
  const cluster = await ownCluster(t, {
    config: (port) => [
      ...tlsConfig(left.pop()!, nodePair),
      'tls-cluster yes',
      // The bus stays where the dev cluster expects it, 10,000 above the plain port.
      `cluster-port ${port + 10_000}`,
    ],
  })
  const upstream = [`127.0.0.1:${ports[0]}`]
  const settings = { upstream, upstreamTls: true, upstreamTlsCa: ca.cert }
  const proxy = await startTestProxy(t, settings)
  const client = await connect(t, proxy.port)
  for (let i = 0; i < 20; i++) t.equal(await client.call('SET', randomName(), i), 'OK')
  t.match(await client.call('TQ.ENQUEUE', randomName(), 'ann', 'a'), ['QUEUED', String, 1])
  t.match(await client.call('INFO', 'tq'), /tq_upstream:cluster\r\n.*tq_upstream_masters:3\r\n/s)
  const large = 'x'.repeat(2_000_000)
  const key = randomName()
  t.equal(await client.call('SET', key, large), 'OK')
  t.equal(await client.call('GET', key), large, 'also over a connection of its own')

  t.test('every connection of the proxy came to a TLS port', async (t) => {
    const seen: string[] = []
    for (const node of cluster.nodes) {
      const direct = await connect(t, node.port)
      const list = String(await direct.call('CLIENT', 'LIST'))
      for (const line of list.split('\n')) {
        // Ours have names; the test's own looks at the plain port have none.
        if (!/ name=\S/.test(line)) continue
        seen.push(line)
        t.ok(ports.includes(Number(/ laddr=127\.0\.0\.1:(\d+) /.exec(line)![1])), line)
      }
    }
    t.ok(seen.some((line) => / name=tq-proxy /.test(line)))
  })

  t.test('messages come over TLS too', async (t) => {
    const channel = randomName('channel')
    const listener = await connect(t, proxy.port)
    t.same(await listener.call('SUBSCRIBE', channel), ['subscribe', channel, 1])
    await client.call('PUBLISH', channel, 'hello')
    t.match(String((await listener.replies(1))[0]), /message\r\n.*hello/s)
  })

  t.test('check looks at every master', async (t) => {
    const findings = await checkUpstream({ ...defaultConfig(), ...settings })
    t.ok(
      findings.every(({ ok }) => ok),
      JSON.stringify(findings),
    )
    t.match(findings[1]?.text, /a cluster, state ok, 16384 of 16384 slots served by 3 masters/)
    const without = await checkUpstream({ ...defaultConfig(), ...settings, upstreamTlsCa: stranger.cert })
    t.match(without.at(-1), { ok: false, text: /cannot be reached: .*certificate/ })
    const missing = await checkUpstream({ ...defaultConfig(), ...settings, upstreamTlsCa: '/none.pem' })
    t.match(missing.at(-1), { ok: false, text: /^\/none\.pem cannot be read/ })
  })

  t.test('a slot that moves is followed to a TLS port', async (t) => {
    const moved = randomName()
    const [from, to] = [cluster.nodes[0]!, cluster.nodes[1]!]
    const [source, target] = [await connect(t, from.port), await connect(t, to.port)]
    const slots = (await source.call('CLUSTER', 'SLOTS')) as [number, number, [string, number, string]][]
    const own = slots.find(([, , [, port]]) => port === from.port)!
    let name = moved
    for (let i = 0; ; i++) {
      name = `${moved}-${i}`
      const slot = Number(await source.call('CLUSTER', 'KEYSLOT', name))
      if (slot < own[0] || slot > own[1]) continue
      t.equal(await client.call('GET', name), null)
      const id = await target.call('CLUSTER', 'MYID')
      for (const node of [target, source]) {
        t.equal(await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', String(id)), 'OK')
      }
      break
    }
    t.equal(await client.call('SET', name, 'there'), 'OK')
    t.equal(await target.call('GET', name), 'there')
  })
})

t.test('who does not show the right certificate is no upstream', async (t) => {
  const upstream = [await tlsRedis(t)]
  t.match(await failureOf(t, { upstream, upstreamTls: true }), /self-signed certificate in certificate chain/)
  t.match(
    await failureOf(t, { upstream, upstreamTls: true, upstreamTlsCa: stranger.cert }),
    /certificate/,
    'an authority that did not sign it',
  )
  t.match(
    await failureOf(t, {
      upstream,
      upstreamTls: true,
      upstreamTlsCa: ca.cert,
      upstreamTlsServerName: 'other.example',
    }),
    /does not match certificate's altnames/,
  )
  t.ok(await failureOf(t, { upstream, connectTimeoutMs: 300 }), 'plain TCP at a TLS port')

  t.test('unless the name is the one that was agreed on, or nothing is checked', async (t) => {
    for (const overrides of [
      { upstreamTlsCa: ca.cert },
      { upstreamTlsCa: ca.cert, upstreamTlsServerName: 'node.example' },
      { upstreamTlsVerify: false },
    ]) {
      const proxy = await startTestProxy(t, { upstream, upstreamTls: true, ...overrides })
      const client = await connect(t, proxy.port)
      t.equal(await client.call('SET', randomName(), 'v'), 'OK')
      const warned = proxy.log.some(({ message }) =>
        /certificates of the upstream are not checked/.test(message),
      )
      t.equal(warned, 'upstreamTlsVerify' in overrides)
    }
  })
})

t.test(
  'the proxy shows a certificate of its own where the nodes want one, and a renewed one later',
  async (t) => {
    const upstream = [await tlsRedis(t, nodePair, 'yes')]
    const base = { upstream, upstreamTls: true, upstreamTlsCa: ca.cert }
    t.match(await failureOf(t, base), /certificate required|closed|ECONNRESET|EPIPE/)
    const pair = ca.sign('proxy')
    const used = { cert: join(folder, 'used.crt'), key: join(folder, 'used.key') }
    const put = (from: Pair): void => {
      copyFileSync(from.cert, used.cert)
      copyFileSync(from.key, used.key)
    }
    put(stranger.sign('wrong'))
    const proxy = await startTestProxy(t, {
      ...base,
      upstreamTlsCert: used.cert,
      upstreamTlsKey: used.key,
      waitUntilReady: false,
    })
    await waitFor('a failure', () => proxy.log.some(({ message }) => message.startsWith('upstream not')))
    put(pair)
    proxy.reload()
    await proxy.whenReady()
    const client = await connect(t, proxy.port)
    t.equal(await client.call('SET', randomName(), 'v'), 'OK')
  },
)

t.test('the program speaks TLS on both sides, and SIGHUP makes it read its certificates again', async (t) => {
  const upstream = await tlsRedis(t)
  const mine = { cert: join(folder, 'mine.crt'), key: join(folder, 'mine.key') }
  const put = (from: Pair): void => {
    copyFileSync(from.cert, mine.cert)
    copyFileSync(from.key, mine.key)
  }
  put(ca.sign('one', 'one.example'))
  const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
  const args = [
    ...['--listen', '127.0.0.1:0', '--log-format', 'json', '--upstream', upstream],
    ...['--upstream-tls', 'yes', '--upstream-tls-ca', ca.cert],
    ...['--tls-cert', mine.cert, '--tls-key', mine.key],
  ]
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let text = ''
  child.stderr.on('data', (data) => {
    text += data
  })
  const logged = (message: string): Promise<Record<string, unknown>> =>
    waitFor(message, () =>
      text
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line))
        .find(({ msg }) => msg === message),
    )
  const { port } = await logged('listening')
  await logged('ready')
  const redis = new Redis({
    host: '127.0.0.1',
    port: Number(port),
    tls: { ca: [readFileSync(ca.cert)] },
    retryStrategy: null,
  })
  t.teardown(() => redis.disconnect())
  const key = randomName()
  t.equal(await redis.set(key, 'v'), 'OK')
  put(ca.sign('two', 'two.example'))
  child.kill('SIGHUP')
  const { expires } = await logged('TLS for clients: read again')
  t.match(String(expires), / GMT$/)
  t.equal(await redis.get(key), 'v', 'who was there stays')
  const shown = await new Promise<string>((resolve, reject) => {
    const socket = connectTls({ port: Number(port), host: '127.0.0.1', ca: [readFileSync(ca.cert)] }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', reject)
  })
  t.equal(shown, 'two.example')
  child.kill('SIGTERM')
  t.equal(await new Promise((resolve) => child.once('close', resolve)), 0)
})
