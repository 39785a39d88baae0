// Keys are found where Redis itself finds them.

import t from 'tap'
import { type CommandInfo, readCommandReply } from '../../src/commands/command-info.ts'
import { CROSS_SLOT, hasWord, NO_KEYS, slotOfArg, slotOfKeys } from '../../src/commands/keys.ts'
import { BY_KEY, BY_KEYS, buildTable } from '../../src/commands/table.ts'
import type { Answer } from '../../src/resp/answer.ts'
import { commandOf } from '../../src/resp/request-decoder.ts'
import { keySlot } from '../../src/routing/slots.ts'
import { sharedRedis } from '../fixtures/cluster.ts'
import { rawClient } from '../fixtures/raw-client.ts'

/** Commands with keys in all the places where keys can be. */
const COMMANDS = `
get k1
set k1 v EX 10
mget k1 k2 k3
mset k1 v1 k2 v2
msetnx k1 v1 k2 v2 k3 v3
del k1 k2
exists k1
unlink k1 k2 k3
touch k1 k2
rename k1 k2
copy k1 k2 DB 0 REPLACE
append k1 v
getex k1 PERSIST
bitop AND k1 k2 k3 k4
bitop NOT k1 k2
bitfield k1 GET u8 0
bitcount k1 0 1
lcs k1 k2 LEN
eval script 2 k1 k2 a1 a2
eval script 0 a1
evalsha sha 1 k1 a1
eval_ro script 1 k1
fcall f 2 k1 k2 a
fcall_ro f 1 k1
zunionstore k1 2 k2 k3 WEIGHTS 1 2
zinterstore k1 1 k2
zdiffstore k1 2 k2 k3
zunion 2 k1 k2 WITHSCORES
zinter 1 k1
zdiff 2 k1 k2
zintercard 2 k1 k2 LIMIT 1
zrangestore k1 k2 0 -1
zmpop 2 k1 k2 MIN COUNT 2
bzmpop 1 2 k1 k2 MAX
lmpop 2 k1 k2 LEFT
blmpop 1 1 k1 RIGHT
sintercard 2 k1 k2
sinterstore k1 k2 k3
sunion k1 k2
sdiff k1 k2 k3
smove k1 k2 m
lmove k1 k2 LEFT RIGHT
blmove k1 k2 LEFT RIGHT 1
rpoplpush k1 k2
brpoplpush k1 k2 1
blpop k1 k2 k3 5
brpop k1 0
bzpopmin k1 k2 1
pfmerge k1 k2 k3
pfcount k1 k2
sort k1
sort k1 BY nosort LIMIT 0 1 ASC STORE k2
sort_ro k1 DESC
xread STREAMS k1 0
xread COUNT 2 BLOCK 5 STREAMS k1 k2 k3 0 0 0
xreadgroup GROUP g c COUNT 1 STREAMS k1 k2 > >
xadd k1 MAXLEN ~ 10 * f v
xgroup CREATE k1 g $ MKSTREAM
xinfo STREAM k1 FULL
xack k1 g 1-0
xautoclaim k1 g c 10 0
geoadd k1 1 2 m
georadius k1 1 2 3 km STORE k2
georadius k1 1 2 3 km COUNT 5 STOREDIST k2
georadius k1 1 2 3 km ASC
georadiusbymember k1 m 3 km STORE k2
geosearchstore k1 k2 FROMMEMBER m BYRADIUS 1 km
object ENCODING k1
memory USAGE k1 SAMPLES 5
hset k1 f v
hrandfield k1 1
restore k1 0 v
dump k1
migrate host 6379 k1 0 1000
migrate host 6379 "" 0 1000 KEYS k1 k2 k3
migrate host 6379 "" 0 1000 COPY AUTH pw KEYS k1
watch k1 k2
`
  .trim()
  .split('\n')
  .map((line) => line.split(' ').map((word) => (word === '""' ? '' : word)))

t.test('the slot of a command is that of the keys that COMMAND GETKEYS names', async (t) => {
  const client = await rawClient(Number((await sharedRedis()).split(':')[1]))
  t.teardown(client.destroy)
  const commands = readCommandReply((await client.call('COMMAND')) as Answer)
  const infos = new Map<string, CommandInfo>()
  for (const info of commands) for (const one of [info, ...info.subcommands]) infos.set(one.name, one)
  const table = buildTable(commands, [])

  const slotOf = (words: readonly string[]): number => {
    const request = commandOf(words)
    const [name, sub] = words.map((word) => Buffer.from(word))
    let entry = table.get(name!, 0, name!.length)!
    if (sub !== undefined) entry = entry.subcommands?.get(sub, 0, sub.length) ?? entry
    if (entry.kind === BY_KEY) return slotOfArg(request, entry.keyIndex)
    if (entry.kind === BY_KEYS) return slotOfKeys(request, entry.keySpecs)
    // Routed by other means than the table, so that its keys alone are looked at.
    return slotOfKeys(request, infos.get(entry.name)!.keySpecs)
  }

  for (const words of COMMANDS) {
    const line = words.join(' ')
    const answer = await client.call('COMMAND', 'GETKEYS', ...words)
    const keys = answer instanceof Error ? [] : (answer as string[])
    const slots = [...new Set(keys.map((key) => keySlot(Buffer.from(key))))]
    const expected = slots.length === 0 ? NO_KEYS : slots.length > 1 ? CROSS_SLOT : slots[0]
    t.equal(slotOf(words), expected, line)
    if (keys.length < 2) continue
    // With one tag in all keys the request has its slot; with any one of them elsewhere it has none.
    const together = words.map((word) => (/^k\d$/.test(word) ? `{tag}${word}` : word))
    t.equal(slotOf(together), keySlot(Buffer.from('tag')), `${line}, all in one slot`)
    for (const stray of keys) {
      const apart = together.map((word) => (word === `{tag}${stray}` ? stray : word))
      t.equal(slotOf(apart), CROSS_SLOT, `${line}, ${stray} elsewhere`)
    }
  }
})

t.test('requests that are too short, or count wrongly, are left for Redis to judge', async (t) => {
  const client = await rawClient(Number((await sharedRedis()).split(':')[1]))
  t.teardown(client.destroy)
  const infos = new Map(
    readCommandReply((await client.call('COMMAND')) as Answer).map((info) => [info.name, info.keySpecs]),
  )
  const slot = (line: string): number => {
    const words = line.split(' ')
    return slotOfKeys(commandOf(words), infos.get(words[0]!)!)
  }
  for (const line of [
    'get',
    'mset',
    'eval',
    'eval script',
    'eval script x k1',
    'eval script -1 k1',
    'zunion 0',
    'xread',
    'xread COUNT 1',
    'xread STREAMS',
  ]) {
    t.equal(slot(line), NO_KEYS, line)
  }
  t.equal(slot('eval script 99 {a}1 {a}2'), keySlot(Buffer.from('a')))
  t.equal(slot('eval script 1000000000 {a}1 {b}2'), CROSS_SLOT)
})

t.test('words among arguments are found in any case', async (t) => {
  const request = commandOf(['XREAD', 'COUNT', '1', 'bLoCk', '0', 'STREAMS', 'k', '0'])
  t.equal(hasWord(request, 'block', 1), true)
  t.equal(hasWord(request, 'block', 4), false)
  t.equal(hasWord(request, 'xread', 1), false)
})
