// Globs match what they match in Redis, and no pattern takes long.

import t from 'tap'
import { globMatches } from '../../src/commands/glob.ts'
import { ownRedis } from '../fixtures/cluster.ts'
import { encode, parse, rawClient } from '../fixtures/raw-client.ts'

/** The same texts for the same seed. */
function textsOf(seed: number, count: number, alphabet: string, longest: number): string[] {
  let state = seed
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >> 8) % below
  }
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + next(longest) }, () => alphabet[next(alphabet.length)]).join(''),
  )
}

t.test('globs match what they match in Redis', async (t) => {
  const redis = await ownRedis(t)
  const client = await rawClient(redis.port)
  t.teardown(client.destroy)
  const seed = Date.now() % 1_000_000
  t.comment(`seed ${seed}`)
  const names = [...new Set(textsOf(seed, 300, 'ab-]^\\c', 6))]
  await client.send(Buffer.concat(names.map((name) => encode('SET', name, ''))))
  await client.replies(names.length)
  const patterns = textsOf(seed + 1, 3000, 'ab*?[]^-\\c*', 8)
  const replies = client.replies(patterns.length)
  await client.send(Buffer.concat(patterns.map((pattern) => encode('KEYS', pattern))))
  const wrong: string[] = []
  for (const [i, reply] of (await replies).entries()) {
    const theirs = (parse(reply) as string[]).sort()
    const ours = names.filter((name) => globMatches(patterns[i]!, name)).sort()
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) {
      wrong.push(`${patterns[i]}: Redis ${theirs.slice(0, 5)}, here ${ours.slice(0, 5)}`)
    }
  }
  t.same(wrong, [])
})

t.test('a pattern full of stars is no trap', (t) => {
  const began = performance.now()
  t.notOk(globMatches(`${'a*'.repeat(50)}b`, 'a'.repeat(5000)))
  t.ok(performance.now() - began < 1000)
  t.end()
})
