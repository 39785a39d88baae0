// INFO shows the cluster as one Redis server, with a section of the proxy's own.

import t from 'tap'
import { sharedRedis } from '../../fixtures/cluster.ts'
import { startTestProxy } from '../../fixtures/proxy.ts'
import { rawClient } from '../../fixtures/raw-client.ts'

const { port } = await startTestProxy(t)
const redisPort = Number((await sharedRedis()).split(':')[1])

/** The text of INFO with these arguments, and how it came. */
async function info(
  at: number,
  protocol: 2 | 3,
  ...sections: string[]
): Promise<{ type: string; text: string }> {
  const client = await rawClient(at)
  if (protocol === 3) await client.call('HELLO', '3')
  const raw = (await client.command('INFO', ...sections)).toString('latin1')
  client.destroy()
  const text = raw.slice(raw.indexOf('\n') + 1, -2)
  return { type: raw[0]!, text: protocol === 3 ? text.slice('txt:'.length) : text }
}

function sectionsOf(text: string): string[] {
  return [...text.matchAll(/^# (\w+)\r$/gm)].map(([, name]) => name!)
}

for (const protocol of [2, 3] as const) {
  t.test(`INFO on RESP${protocol} has the sections of Redis and then TQ`, async (t) => {
    for (const sections of [[], ['default'], ['all'], ['everything']]) {
      const ours = await info(port, protocol, ...sections)
      const theirs = await info(redisPort, protocol, ...sections)
      t.equal(ours.type, theirs.type)
      const known = sectionsOf(theirs.text)
      // Sections such as Keyspace, Errorstats and Commandstats hold what each server has seen.
      t.same(
        sectionsOf(ours.text).filter((section) => !known.includes(section)),
        ['TQ'],
      )
      t.match(ours.text, /\r\n\r\n# TQ\r\ntq_version:.*\r\n$/s, 'a blank line parts the sections')
    }
  })

  t.test(`INFO on RESP${protocol} gives the sections asked for, in any case`, async (t) => {
    const some = await info(port, protocol, 'SERVER', 'tq', 'Clients')
    t.same(sectionsOf(some.text), ['Server', 'Clients', 'TQ'])
    const own = await info(port, protocol, 'TQ')
    t.equal(own.type, protocol === 3 ? '=' : '$')
    t.match(own.text, /^# TQ\r\ntq_version:/)
    t.same(await info(port, protocol, 'no-such'), await info(redisPort, protocol, 'no-such'))
    t.match((await info(port, protocol, 'no-such', 'tq')).text, /^# TQ\r\n/)
  })
}

t.test('INFO shows one server that is no cluster, at the port that the client came to', async (t) => {
  const { text } = await info(port, 2)
  for (const line of ['redis_mode:standalone', 'cluster_enabled:0', `tcp_port:${port}`, 'role:master']) {
    t.ok(text.includes(`\r\n${line}\r\n`), line)
  }
  for (const line of text.split('\r\n')) t.match(line, /^(|# \w+|[^:\s]+:.*)$/)
})

t.test('the section TQ tells how the proxy is', async (t) => {
  const read = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      (await info(port, 2, 'tq')).text
        .trim()
        .split('\r\n')
        .slice(1)
        .map((line) => line.split(':')),
    )
  const before = await read()
  t.match(before, {
    tq_version: /^\d+\.\d+\.\d+/,
    tq_upstream: 'cluster',
    tq_upstream_ready: '1',
    tq_upstream_masters: '3',
    tq_connected_clients: '1',
  })
  const after = await read()
  t.equal(Number(after.tq_total_connections), Number(before.tq_total_connections) + 1)
  t.equal(Number(after.tq_total_commands), Number(before.tq_total_commands) + 1)
})
