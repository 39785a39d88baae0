// TLS between clients and the proxy: who is let in, with which certificate, and how a renewed one comes into use.

import { execFile } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { defaultConfig } from '../../src/config.ts'
import { StartError, startProxy } from '../../src/proxy.ts'
import { type Authority, makeAuthority, type Pair } from '../fixtures/certificates.ts'
import { randomName, waitFor } from '../fixtures/cluster.ts'
import { startTestProxy } from '../fixtures/proxy.ts'
import { encode, rawClient } from '../fixtures/raw-client.ts'

/** What redis-cli says to some words, errors of the connection included. */
function cli(port: number, args: readonly string[], ...words: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile('redis-cli', ['-p', String(port), ...args, ...words], { timeout: 10_000 }, (_error, out, err) =>
      resolve(out + err),
    )
  })
}

/** A TLS connection whose handshake is over. */
function shakeHands(t: Test, port: number, authority: Pair): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: [readCa(authority)] }, () => resolve(socket))
    socket.on('error', reject)
    t.teardown(() => socket.destroy())
  })
}

function readCa({ cert }: Pair): Buffer {
  return readFileSync(cert)
}

async function nameShown(t: Test, port: number, authority: Pair): Promise<string> {
  const socket = await shakeHands(t, port, authority)
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return String(CN)
}

function connect(t: Test, port: number, authority: Pair, pair?: Pair): Redis {
  const redis = new Redis({
    host: '127.0.0.1',
    port,
    tls: {
      ca: readCa(authority),
      ...(pair === undefined ? {} : { cert: readFileSync(pair.cert), key: readFileSync(pair.key) }),
    },
    retryStrategy: null,
    maxRetriesPerRequest: 0,
  })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  return redis
}

const folder = t.testdir({})
const ca: Authority = makeAuthority(folder)
const stranger: Authority = makeAuthority(folder, 'stranger')
const pair = ca.sign('proxy', 'first.example')
const settings = { tlsCert: pair.cert, tlsKey: pair.key }

t.test('redis-cli --tls and ioredis with TLS are served', async (t) => {
  const proxy = await startTestProxy(t, settings)
  const key = randomName()
  t.equal(await cli(proxy.port, ['--tls', '--cacert', ca.cert], 'SET', key, 'v'), 'OK\n')
  t.match(
    await cli(proxy.port, ['--tls', '--cacert', stranger.cert], 'GET', key),
    /certificate verify failed/,
  )

  const redis = connect(t, proxy.port, ca)
  t.equal(await redis.get(key), 'v')
  const event = randomName()
  t.match(await redis.call('TQ.ENQUEUE', event, 'ann', 'a'), ['QUEUED', String, 1])
  const large = 'x'.repeat(3_000_000)
  t.equal(await redis.set(key, large), 'OK')
  t.equal(await redis.get(key), large, 'megabytes pass')
  const many = await Promise.all(Array.from({ length: 2000 }, (_, i) => redis.echo(String(i))))
  t.same(
    many,
    Array.from(many, (_, i) => String(i)),
  )
})

t.test('a client that speaks plain RESP is turned away, and the others go on', async (t) => {
  const proxy = await startTestProxy(t, settings)
  const redis = connect(t, proxy.port, ca)
  t.equal(await redis.ping(), 'PONG')
  const plain = await rawClient(proxy.port)
  await plain.send('*1\r\n$4\r\nPING\r\n')
  await plain.closed
  t.notMatch(plain.unread().toString('latin1'), /PONG/)
  await waitFor('it to be logged', () => proxy.log.some(({ message }) => message === 'TLS client refused'))
  t.equal(await redis.ping(), 'PONG')
  t.match(await redis.info('tq'), /tq_refused_connections:1\r/)
})

t.test('a client that ends after its last command still gets all replies', async (t) => {
  const proxy = await startTestProxy(t, settings)
  const key = randomName()
  const bytes = Buffer.concat([encode('SET', key, 'v'), encode('GET', key)])
  const replies = await new Promise<string>((resolve, reject) => {
    let text = ''
    const options = { port: proxy.port, host: '127.0.0.1', ca: [readCa(ca)], allowHalfOpen: true }
    const socket = connectTls(options, () => socket.end(bytes))
    socket.on('data', (data) => {
      text += data
    })
    socket.on('end', () => resolve(text))
    socket.on('error', reject)
  })
  t.equal(replies, '+OK\r\n$1\r\nv\r\n')
})

t.test('a probe that only connects is no warning', async (t) => {
  const proxy = await startTestProxy(t, settings)
  const probe = connectPlain(proxy.port, '127.0.0.1')
  probe.on('connect', () => probe.end())
  await waitFor('the end', () => proxy.log.some(({ message }) => message === 'TLS handshake not begun'))
  t.same(
    proxy.log.filter(({ level }) => level === 'warn'),
    [],
  )
})

t.test('a connection that never shakes hands does not hold up a stop', async (t) => {
  const proxy = await startTestProxy(t, settings)
  const idle = connectPlain(proxy.port, '127.0.0.1')
  idle.on('error', () => {})
  t.teardown(() => idle.destroy())
  await new Promise((resolve) => idle.once('connect', resolve))
  const redis = connect(t, proxy.port, ca)
  t.equal(await redis.ping(), 'PONG')
  const began = Date.now()
  await proxy.stop()
  t.ok(Date.now() - began < 5000)
})

t.test('certificates of clients', async (t) => {
  const ours = ca.sign('client')
  const theirs = stranger.sign('their-client')
  const served = async (port: number, pair?: Pair): Promise<boolean> =>
    (await connect(t, port, ca, pair).ping().catch(String)) === 'PONG'

  t.test('are not asked for without tlsClientCa', async (t) => {
    const { port } = await startTestProxy(t, settings)
    t.same(await Promise.all([served(port), served(port, ours), served(port, theirs)]), [true, true, true])
  })

  t.test('have to be shown, and be of our authority, with tlsClientCa', async (t) => {
    const { port, log } = await startTestProxy(t, { ...settings, tlsClientCa: ca.cert })
    t.same(await Promise.all([served(port), served(port, ours), served(port, theirs)]), [false, true, false])
    const refused = log.filter(({ message }) => message === 'TLS client refused')
    t.equal(refused.length, 2)
    const args = ['--tls', '--cacert', ca.cert, '--cert', ours.cert, '--key', ours.key]
    t.equal(await cli(port, args, 'PING'), 'PONG\n')
  })

  t.test('may be left out where they are optional, but not be false', async (t) => {
    const { port, log } = await startTestProxy(t, {
      ...settings,
      tlsClientCa: ca.cert,
      tlsClientAuth: 'optional',
    })
    t.same(await Promise.all([served(port), served(port, ours), served(port, theirs)]), [true, true, false])
    t.match(log.find(({ message }) => message === 'TLS client refused')?.fields.reason, /not accepted/)
  })

  t.test('and the password is asked for besides', async (t) => {
    const { port } = await startTestProxy(t, { ...settings, tlsClientCa: ca.cert, requirepass: 'sesame' })
    t.match(await connect(t, port, ca, ours).ping().catch(String), /NOAUTH/)
  })
})

t.test('a renewed certificate is shown to new clients, and old clients stay', async (t) => {
  // As Kubernetes mounts a secret: the files are links into a folder that is itself a link, which is swapped.
  const mount = t.testdir({})
  const put = (version: string, pair: Pair): void => {
    mkdirSync(join(mount, version))
    copyFileSync(pair.cert, join(mount, version, 'tls.crt'))
    copyFileSync(pair.key, join(mount, version, 'tls.key'))
    symlinkSync(version, join(mount, '..data.new'))
    renameSync(join(mount, '..data.new'), join(mount, '..data'))
  }
  put('v1', pair)
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(mount, name))
  const tlsCert = join(mount, 'tls.crt')
  const tlsKey = join(mount, 'tls.key')
  const proxy = await startTestProxy(t, { tlsCert, tlsKey })
  const old = connect(t, proxy.port, ca)
  t.equal(await old.ping(), 'PONG')
  t.equal(await nameShown(t, proxy.port, ca), 'first.example')

  put('v2', ca.sign('second', 'second.example'))
  await waitFor(
    'the second certificate',
    async () => (await nameShown(t, proxy.port, ca)) === 'second.example',
  )
  t.equal(await old.ping(), 'PONG')
  t.equal(proxy.log.filter(({ message }) => message === 'TLS for clients: read again').length, 1)

  t.test('a broken file changes nothing and is told in one sentence', async (t) => {
    const errors = (): string[] =>
      proxy.log.filter(({ level }) => level === 'error').map(({ fields }) => String(fields.reason))
    rmSync(tlsCert)
    writeFileSync(tlsCert, '-----BEGIN CERTIFICATE-----\nnonsense\n')
    await waitFor('a complaint', () => errors().length === 1)
    t.match(errors()[0], /tls\.crt holds no certificate in the form PEM$/)
    copyFileSync(stranger.cert, tlsCert)
    await waitFor('another', () => errors().length === 2)
    t.match(errors()[1], /the certificate in \S+ and the key in \S+ cannot be used: .*key values mismatch/)
    rmSync(tlsCert)
    proxy.reload()
    t.match(errors()[2], /tls\.crt cannot be read: ENOENT/)
    t.equal(await nameShown(t, proxy.port, ca), 'second.example')
    t.equal(await old.ping(), 'PONG')
  })

  t.test('and reload() reads a good one at once', async (t) => {
    const third = ca.sign('third', 'third.example')
    copyFileSync(third.cert, tlsCert)
    rmSync(tlsKey)
    copyFileSync(third.key, tlsKey)
    proxy.reload()
    t.equal(await nameShown(t, proxy.port, ca), 'third.example')
    t.equal(await old.ping(), 'PONG')
  })
})

t.test('files that are of no use are a sentence at the start', async (t) => {
  const none = join(folder, 'none.pem')
  const empty = join(folder, 'empty.pem')
  writeFileSync(empty, '')
  for (const [overrides, sentence] of [
    [{ ...settings, tlsCert: none }, /none\.pem cannot be read: ENOENT/],
    [{ ...settings, tlsKey: ca.key }, /^the certificate in \S+ and the key in \S+ cannot be used: /],
    [{ ...settings, tlsKey: empty }, /^the certificate in \S+ and the key in \S+ cannot be used: /],
    [{ ...settings, tlsClientCa: empty }, /empty\.pem holds no certificate in the form PEM$/],
    [{ upstreamTls: true, upstreamTlsCa: none }, /none\.pem cannot be read: ENOENT/],
  ] as const) {
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const starting = startProxy({ ...defaultConfig(), listen: '127.0.0.1:0', ...overrides }, log)
    const error = await starting.then(
      (proxy) => proxy.stop(),
      (error: Error) => error,
    )
    t.ok(error instanceof StartError)
    t.match((error as Error).message, sentence)
    t.notMatch((error as Error).message, /\n/)
  }
})
