// Settings about security: which make no sense together, and that no secret of theirs is ever printed.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type ConfigError, loadConfig } from '../../src/config.ts'
import { ownRedis, waitFor } from '../fixtures/cluster.ts'
import { rawClient } from '../fixtures/raw-client.ts'

function problemsOf(flags: Record<string, unknown>): readonly string[] {
  try {
    loadConfig(flags, {})
    return []
  } catch (error) {
    return (error as ConfigError).problems
  }
}

t.test('settings that make no sense together are told in a sentence', (t) => {
  for (const [flags, problem] of [
    [{ tlsCert: 'a' }, 'tlsCert is of no use without tlsKey: set both or neither'],
    [{ tlsKey: 'a' }, 'tlsKey is of no use without tlsCert: set both or neither'],
    [{ tlsClientCa: 'a' }, 'tlsClientCa is of no use without tlsCert: set both or neither'],
    [
      { tlsCert: 'a', tlsKey: 'b', tlsClientAuth: 'required' },
      'tlsClientAuth is of no use without tlsClientCa: set both or neither',
    ],
    [
      { tlsCert: 'a', tlsKey: 'b', tlsClientAuth: 'maybe' },
      '--tls-client-auth: "maybe" is not allowed, it takes one of no, optional, required',
    ],
    [
      { upstreamTlsCa: 'a' },
      'upstreamTlsCa is of no use without upstreamTls: set it to yes, or leave both out',
    ],
    [
      { upstreamTlsVerify: 'no' },
      'upstreamTlsVerify is of no use without upstreamTls: set it to yes, or leave both out',
    ],
    [
      { upstreamTls: 'yes', upstreamTlsCert: 'a' },
      'upstreamTlsCert is of no use without upstreamTlsKey: set both or neither',
    ],
  ] as const) {
    t.same(problemsOf(flags), [problem])
  }
  t.same(problemsOf({ tlsCert: 'a', tlsKey: 'b', tlsClientAuth: 'no' }), [])
  t.same(problemsOf({ upstreamTls: 'yes', upstreamTlsVerify: 'no' }), [])
  t.end()
})

t.test('no secret is in what the program prints, whatever its log level', async (t) => {
  const secrets = ['upstream-secret', 'default-secret', 'alice-secret', 'wrong-secret', 'secret-value']
  const hash = createHash('sha256').update('alice-secret').digest('hex')
  const redis = await ownRedis(t, { password: 'upstream-secret' })
  const file = join(t.testdir({}), 'proxy.yaml')
  writeFileSync(
    file,
    `requirepass: default-secret\nusers: [{ name: alice, passwordSha256: ${hash}, commands: +get }]\n`,
  )
  const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
  const args = ['--config', file, '--listen', '127.0.0.1:0', '--upstream', redis.address]
  const child = spawn(process.execPath, [cli, ...args, '--log-level', 'trace', '--log-format', 'json'], {
    env: { ...process.env, TQ_UPSTREAM_PASSWORD: 'upstream-secret' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      text += data
    })
  }
  await waitFor('it to be ready', () => /"msg":"ready"/.test(text))
  const port = Number(/"port":(\d+)/.exec(text)![1])
  const client = await rawClient(port)
  t.teardown(client.destroy)
  for (const words of [
    ['AUTH', 'wrong-secret'],
    ['AUTH', 'alice', 'wrong-secret'],
    ['AUTH', 'wrong-secret', 'alice'],
    ['HELLO', '3', 'AUTH', 'default', 'wrong-secret'],
    ['AUTH', 'alice', 'alice-secret'],
    ['SET', 'key', 'secret-value'],
    ['AUTH', 'default-secret'],
    ['SET', 'key', 'secret-value'],
    ['NOSUCH', 'secret-value'],
    ['CONFIG', 'SET', 'requirepass', 'wrong-secret'],
  ]) {
    await client.call(...words)
  }
  await client.send('*1\r\n$-5\r\nsecret-value\r\n')
  await client.closed
  await waitFor('the end of the client', () => /"msg":"protocol error"/.test(text))
  child.kill('SIGTERM')
  await new Promise((resolve) => child.once('close', resolve))
  t.equal(text.match(/"msg":"wrong password"/g)?.length, 4)
  for (const secret of [...secrets, hash]) t.notOk(text.includes(secret), secret)
})
