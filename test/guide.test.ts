// The guide's steps, sent in its order, get the replies that it shows.

import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { test } from 'tap'
import { ownRedis } from './fixtures/cluster.ts'
import { startTestProxy } from './fixtures/proxy.ts'

/** A reply as redis-cli prints it. */
function printed(reply: unknown, indent = ''): string {
  if (reply === null) return '(nil)'
  if (typeof reply === 'number') return `(integer) ${reply}`
  if (Array.isArray(reply)) {
    if (reply.length === 0) return '(empty array)'
    return reply
      .map((item, i) => `${i === 0 ? '' : indent}${i + 1}) ${printed(item, `${indent}   `)}`)
      .join('\n')
  }
  return reply === 'OK' ? 'OK' : JSON.stringify(reply)
}

/** Without times, ids made of them, and passes. */
const masked = (text: string): string =>
  text.replace(/\b\d{13}\b/g, '<ms>').replace(/[0-9a-f]{32}/g, '<pass>')

for (const page of ['docs/guide.md', 'docs/journal.md', 'README.md']) {
  test(`the sessions of ${page} are true`, async (t) => {
    const redis = await ownRedis(t)
    const { port } = await startTestProxy(t, { upstream: [redis.address] })
    const client = new Redis(port, '127.0.0.1', { protocol: 2 })
    t.teardown(() => client.disconnect())
    await client.zadd('queue:event:{concert-1}', '1', 'old-1', '2', 'old-2', '3', 'old-3')
    let pass = ''
    let commands = 0
    for (const [, block] of readFileSync(page, 'utf8').matchAll(
      /```console\n(?:\$ redis-cli[^\n]*\n)?([\s\S]*?)```/g,
    )) {
      for (const part of block.split('127.0.0.1:6380> ').slice(1)) {
        const [line, ...shown] = part.trimEnd().split('\n')
        // The pass of the session at hand stands where the page shows that of another one.
        const [name, ...words] = line.replace(/[0-9a-f]{32}/g, pass).split(' ')
        const reply = await client.call(name, ...words)
        if (name === 'TQ.ENTER') pass = (reply as string[])[1]
        t.equal(masked(printed(reply)), masked(shown.join('\n')), line)
        commands++
      }
    }
    t.ok(commands > 0)
  })
}
