// Prints what one waiting user costs in bytes, for each journal layout: every key of the event counted.
// usage: node bench/memory.ts [waiting …]   (100000 and 1000000 if none is given)

import { Redis } from 'ioredis'
import { defaultConfig } from '../src/config.ts'
import { startRedis } from '../src/dev/redis-cluster.ts'
import { openLog } from '../src/observe/log.ts'
import { startProxy } from '../src/proxy.ts'

const counts = process.argv.slice(2).map(Number)
const BATCH = 2000

/** 36 characters, as a UUID has. */
function token(i: number): string {
  return `${i.toString(16).padStart(8, '0')}-89ab-4def-8123-${(i * 7919).toString(16).padStart(12, '0').slice(-12)}`
}

const users = {
  '8-byte users': (i: number): string => (i % 100_000_000).toString().padStart(8, '0'),
  '36-byte users': (i: number): string => token(i + 500_000_000),
}

async function used(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))![1])
}

/** Redis frees what was unlinked in a thread of its own. */
async function settled(redis: Redis): Promise<void> {
  while (Number(/^lazyfree_pending_objects:(\d+)/m.exec(await redis.info('memory'))![1]) > 0) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

console.log('| journal | users | waiting | bytes a waiting user |\n| --- | --- | --- | --- |')
for (const journal of ['event', 'user', 'none'] as const) {
  for (const [label, user] of Object.entries(users)) {
    for (const count of counts.length > 0 ? counts : [100_000, 1_000_000]) {
      // With a stream per user a million users take more than 4 GB; the figure per user is the same.
      if (journal === 'user' && count > 200_000) continue
      const redis = await startRedis()
      const proxy = await startProxy(
        {
          ...defaultConfig(),
          listen: '127.0.0.1:0',
          upstream: [redis.address],
          journalDefault: journal,
          logLevel: 'silent',
        },
        openLog('silent', 'json'),
      )
      await proxy.whenReady()
      const direct = new Redis(redis.port, '127.0.0.1')
      const client = new Redis(proxy.port, '127.0.0.1')
      await client.call('TQ.ENQUEUE', 'warm-up', 'user', 'token')
      const before = await used(direct)
      for (let from = 0; from < count; from += BATCH) {
        const pipeline = client.pipeline()
        for (let i = from; i < Math.min(from + BATCH, count); i++) {
          pipeline.call('TQ.ENQUEUE', 'memory', user(i), token(i))
        }
        for (const [error] of (await pipeline.exec())!) if (error !== null) throw error
      }
      // What is kept for a few seconds only, for commands that are sent again, is not what a waiting user costs.
      await settled(direct)
      const bytes = ((await used(direct)) - before) / count
      console.log(`| ${journal} | ${label} | ${count} | ${bytes.toFixed(0)} |`)
      direct.disconnect()
      client.disconnect()
      await proxy.stop()
      await redis.stop()
    }
  }
}
