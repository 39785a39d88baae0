// COMMAND and its subcommands describe the TQ commands beside Redis's own, in Redis's own form.

import t, { type Test } from 'tap'
import { loadTqSpecs } from '../../../src/commands/tq-specs.ts'
import { sharedRedis } from '../../fixtures/cluster.ts'
import { startTestProxy } from '../../fixtures/proxy.ts'
import { parse, type RawClient, rawClient, type Value } from '../../fixtures/raw-client.ts'

type Protocol = 2 | 3

const specs = await loadTqSpecs()
const names = [...specs.keys()].map((name) => name.toLowerCase())
const { port } = await startTestProxy(t)
const redisPort = Number((await sharedRedis()).split(':')[1])

async function open(t: Test, port: number, protocol: Protocol): Promise<RawClient> {
  const client = await rawClient(port)
  t.teardown(client.destroy)
  if (protocol === 3) await client.call('HELLO', 3)
  return client
}

/** Runs a test with a client of the proxy and one of a plain Redis, for RESP2 and for RESP3. */
function both(
  what: string,
  check: (t: Test, proxy: RawClient, redis: RawClient, protocol: Protocol) => Promise<void>,
): void {
  for (const protocol of [2, 3] as const) {
    t.test(`${what} (RESP${protocol})`, async (t) => {
      await check(t, await open(t, port, protocol), await open(t, redisPort, protocol), protocol)
    })
  }
}

/** The direct elements of an aggregate frame as their raw bytes. */
function elements(frame: Buffer): string[] {
  const text = frame.toString('latin1')
  const parts: string[] = []
  let at = text.indexOf('\r\n') + 2
  while (at < text.length) {
    const end = at + frameLength(text.slice(at))
    parts.push(text.slice(at, end))
    at = end
  }
  return parts
}

function frameLength(text: string): number {
  let at = 0
  for (let open = 1; open > 0; open--) {
    const line = text.slice(at, text.indexOf('\r\n', at))
    at += line.length + 2
    const count = Number(line.slice(1))
    if (line[0] === '$') at += count < 0 ? 0 : count + 2
    else if (line[0] === '%') open += 2 * count
    else if ('*~'.includes(line[0]!)) open += Math.max(count, 0)
  }
  return at
}

/** The elements of a map (RESP3) or of the flat array that stands for it, by name. */
function fields(frame: string): Map<string, string> {
  const parts = elements(Buffer.from(frame, 'latin1'))
  const map = new Map<string, string>()
  for (let i = 0; i < parts.length; i += 2) map.set(String(parse(Buffer.from(parts[i]!))), parts[i + 1]!)
  return map
}

function types(parts: readonly string[]): string {
  return parts.map((part) => part[0]).join('')
}

both('COMMAND INFO of a TQ command has the form of that of SET', async (t, proxy, redis) => {
  const [ours] = elements(await proxy.command('COMMAND', 'INFO', 'TQ.enqueue'))
  const [theirs] = elements(await redis.command('COMMAND', 'INFO', 'set'))
  const our = elements(Buffer.from(ours!))
  const their = elements(Buffer.from(theirs!))
  t.equal(types(our), types(their))
  t.equal(types(elements(Buffer.from(our[2]!))), '+++', 'flags are status lines')
  t.equal(types(elements(Buffer.from(our[6]!))), '+++', 'categories are status lines')
  t.same(parse(Buffer.from(our[0]!)), 'tq.enqueue')
  t.same(our.slice(3, 6), their.slice(3, 6), 'first key, last key, step')

  const ourSpec = fields(elements(Buffer.from(our[8]!))[0]!)
  const theirSpec = fields(elements(Buffer.from(their[8]!))[0]!)
  t.equal(ourSpec.get('begin_search'), theirSpec.get('begin_search'))
  t.equal(ourSpec.get('find_keys'), theirSpec.get('find_keys'))
  const known = elements(Buffer.from(theirSpec.get('flags')!))
  t.same(
    elements(Buffer.from(ourSpec.get('flags')!)).filter((flag) => !known.includes(flag)),
    [],
    'key flags are ones that Redis has',
  )
})

both('COMMAND INFO keeps the place of each name, ours, theirs and unknown', async (t, proxy, redis) => {
  const [, get, , nothing] = elements(
    await proxy.command('COMMAND', 'INFO', 'tq.pos', 'get', 'tq.help', 'no.such'),
  )
  const theirs = elements(await redis.command('COMMAND', 'INFO', 'get', 'no.such'))
  t.same([get, nothing], theirs)
  const [pos, help] = (await proxy.call('COMMAND', 'INFO', 'tq.pos', 'tq.help')) as Value[][]
  t.same(pos!.slice(0, 2), ['tq.pos', 3])
  t.same(help!.slice(3, 6), [0, 0, 0], 'a command without an event has no keys')
  t.same(await proxy.call('COMMAND', 'INFO', 'no.such'), [null])
})

both('COMMAND and COMMAND INFO without names list all, each once', async (t, proxy, redis) => {
  const theirs = (await redis.call('COMMAND')) as Value[][]
  for (const words of [['COMMAND'], ['COMMAND', 'INFO']]) {
    const ours = (await proxy.call(...words)) as Value[][]
    const listed = ours.map(([name]) => String(name))
    t.equal(new Set(listed).size, listed.length)
    t.same(listed.sort(), [...theirs.map(([name]) => String(name)), ...names].sort())
  }
})

both('COMMAND COUNT and COMMAND LIST count and name the TQ commands', async (t, proxy, redis) => {
  t.equal(await proxy.call('COMMAND', 'COUNT'), Number(await redis.call('COMMAND', 'COUNT')) + names.length)
  const theirs = (await redis.call('COMMAND', 'LIST')) as string[]
  t.same(((await proxy.call('COMMAND', 'LIST')) as string[]).sort(), [...theirs, ...names].sort())
})

both('COMMAND LIST FILTERBY filters ours as theirs', async (t, proxy, redis) => {
  const list = async (...filter: string[]): Promise<string[]> =>
    ((await proxy.call('COMMAND', 'LIST', 'FILTERBY', ...filter)) as string[]).sort()
  t.same(await list('PATTERN', 'tq.*'), [...names].sort())
  t.same(await list('pattern', 'TQ.P[oe]?'), ['tq.pos'])
  t.same(await list('PATTERN', 'get'), ['get'])
  t.same(await list('MODULE', 'none'), [])
  t.ok((await list('ACLCAT', 'write')).includes('tq.enqueue'))
  t.notOk((await list('ACLCAT', 'read')).includes('tq.enqueue'))
  t.ok((await list('ACLCAT', 'read')).includes('tq.pos'))
  for (const words of [['FILTERBY'], ['FILTERBY', 'FOO', 'x'], ['FILTERBY', 'PATTERN'], ['WHAT']]) {
    const request = ['COMMAND', 'LIST', ...words]
    t.equal(String(await proxy.command(...request)), String(await redis.command(...request)))
  }
})

both('COMMAND DOCS of a TQ command has the form of that of SET', async (t, proxy, redis) => {
  const ours = fields(String(await proxy.command('COMMAND', 'DOCS', 'tq.enqueue')))
  const theirs = fields(String(await redis.command('COMMAND', 'DOCS', 'set')))
  t.same([...ours.keys()], ['tq.enqueue'])
  const our = fields(ours.get('tq.enqueue')!)
  const their = fields(theirs.get('set')!)
  for (const [name, value] of our) t.equal(value[0], their.get(name)?.[0], name)

  // Whatever Redis says of an argument somewhere in these commands, it says in one form.
  const forms = new Map<string, string>()
  for (const name of ['set', 'xadd', 'zrange']) {
    const docs = fields(fields(String(await redis.command('COMMAND', 'DOCS', name))).get(name)!)
    collectForms(docs.get('arguments')!, forms)
  }
  for (const name of names) {
    const docs = fields(fields(String(await proxy.command('COMMAND', 'DOCS', name))).get(name)!)
    const found = new Map<string, string>()
    collectForms(docs.get('arguments')!, found)
    for (const [field, form] of found) t.equal(form, forms.get(field), `${field} in ${name}`)
  }
})

/** Notes by field name the type marks of an argument's value and of what is in it. */
function collectForms(list: string, forms: Map<string, string>): void {
  for (const argument of elements(Buffer.from(list))) {
    forms.set('argument', argument[0]!)
    for (const [field, value] of fields(argument)) {
      forms.set(field, field === 'flags' ? value[0]! + elements(Buffer.from(value))[0]![0] : value[0]!)
      if (field === 'arguments') collectForms(value, forms)
    }
  }
}

both('COMMAND DOCS says what each argument of TQ.ENQUEUE is', async (t, proxy, _redis, protocol) => {
  const reply = await proxy.call('COMMAND', 'DOCS', 'tq.enqueue')
  const record = (value: Value): Record<string, Value> =>
    Object.fromEntries(
      value instanceof Map
        ? value
        : Array.from({ length: (value as Value[]).length / 2 }, (_, i) =>
            (value as Value[]).slice(i * 2, i * 2 + 2),
          ),
    )
  const docs = record(record(reply)['tq.enqueue']!)
  t.match(docs, { summary: String, since: '0.1.0', group: 'tq', complexity: /^O\(/ })
  const optional = protocol === 3 ? new Set(['optional']) : ['optional']
  t.same((docs.arguments as Value[]).map(record), [
    { name: 'event', type: 'key', key_spec_index: 0 },
    { name: 'user', type: 'string' },
    { name: 'token', type: 'string' },
    { name: 'dedupe', type: 'string', token: 'DEDUPE', flags: optional },
    { name: 'ttl', type: 'integer', token: 'TTL', flags: optional },
  ])
})

both('COMMAND DOCS gives ours and theirs together', async (t, proxy, redis) => {
  const some = fields(String(await proxy.command('COMMAND', 'DOCS', 'get', 'tq.pos', 'no.such')))
  t.same([...some.keys()].sort(), ['get', 'tq.pos'])
  t.equal(some.get('get'), fields(String(await redis.command('COMMAND', 'DOCS', 'get'))).get('get'))
  const all = fields((await proxy.command('COMMAND', 'DOCS')).toString('latin1'))
  const theirs = fields((await redis.command('COMMAND', 'DOCS')).toString('latin1'))
  t.same([...all.keys()].sort(), [...theirs.keys(), ...names].sort())
  t.equal(
    String(await proxy.command('COMMAND', 'DOCS', 'no.such')),
    String(await redis.command('COMMAND', 'DOCS', 'no.such')),
  )
})

both('COMMAND GETKEYS finds the event', async (t, proxy, redis) => {
  t.same(await proxy.call('COMMAND', 'GETKEYS', 'TQ.ENQUEUE', 'e 1', 'u', 't'), ['e 1'])
  t.same(await proxy.call('COMMAND', 'GETKEYS', 'MSET', 'a', '1', 'b', '2'), ['a', 'b'])
  const [[key, flags]] = (await proxy.call('COMMAND', 'GETKEYSANDFLAGS', 'TQ.POS', 'e', 't')) as Value[][]
  t.same([key, [...(flags as string[])]], ['e', ['RO', 'access']])
  const form = (frame: Buffer): string => String(frame).replace(/[^*~]\S*\r\n/g, '')
  t.equal(
    form(await proxy.command('COMMAND', 'GETKEYSANDFLAGS', 'TQ.POS', 'e', 't')),
    form(await redis.command('COMMAND', 'GETKEYSANDFLAGS', 'GET', 'k')),
  )
})

both('COMMAND refuses what Redis refuses, in the same words', async (t, proxy, redis) => {
  for (const [ours, theirs] of [
    ['GETKEYS TQ.ENQUEUE e', 'GETKEYS SET k'],
    ['GETKEYS TQ.HELP x', 'GETKEYS PING x'],
    ['GETKEYS no.such x', 'GETKEYS no.such x'],
    ['GETKEYS', 'GETKEYS'],
    ['GETKEYSANDFLAGS get', 'GETKEYSANDFLAGS get'],
    ['COUNT x', 'COUNT x'],
    ['NOSUCH', 'NOSUCH'],
    ['NoSuch sub', 'NoSuch sub'],
  ]) {
    t.equal(
      String(await proxy.command('COMMAND', ...ours!.split(' '))),
      String(await redis.command('COMMAND', ...theirs!.split(' '))),
      ours,
    )
  }
})
