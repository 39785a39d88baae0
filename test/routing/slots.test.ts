// Keys fall into the slots that a real node puts them in.

import fc from 'fast-check'
import t from 'tap'
import { keySlot, SLOT_COUNT } from '../../src/routing/slots.ts'
import { sharedCluster } from '../fixtures/cluster.ts'
import { encode, parse, rawClient } from '../fixtures/raw-client.ts'

t.test('2,000 random binary keys with braces have the slots that CLUSTER KEYSLOT says', async (t) => {
  const [address] = await sharedCluster()
  const client = await rawClient(Number(address!.split(':')[1]))
  t.teardown(client.destroy)
  const piece = fc.oneof(
    fc.constantFrom('{', '}', '{}', '{a}', '}{', '{{', '\0', '\r\n').map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
  )
  const seed = Date.now() % 2 ** 31
  t.comment(`seed ${seed}`)
  const keys = fc.sample(
    fc.array(piece, { maxLength: 6 }).map((pieces) => Buffer.concat(pieces)),
    { numRuns: 2000, seed },
  )
  const replies = client.replies(keys.length)
  await client.send(Buffer.concat(keys.map((key) => encode('CLUSTER', 'KEYSLOT', key))))
  const expected = (await replies).map(parse)
  const wrong = keys.filter((key, i) => keySlot(key) !== expected[i])
  t.same(wrong.map((key) => key.toString('latin1')).slice(0, 5), [])
  t.ok(new Set(expected).size > 500)
})

t.test(
  'only what stands between the first brace and the next one that closes counts, if there is anything',
  async (t) => {
    const slot = (key: string): number => keySlot(Buffer.from(key))
    t.equal(slot('{user1000}.following'), slot('user1000'))
    t.equal(slot('foo{bar}{zap}'), slot('bar'))
    t.equal(slot('foo{{bar}}zap'), slot('{bar'))
    t.equal(slot('foo{}{bar}'), 8363)
    t.equal(slot('123456789'), 12739)
    t.equal(slot(''), 0)
    t.ok(slot('x') < SLOT_COUNT)
  },
)

t.test('a key in the middle of a buffer is read there', async (t) => {
  const buf = Buffer.from('}{x{key}y}')
  t.equal(keySlot(buf, 4, 7), keySlot(Buffer.from('key')))
  t.equal(keySlot(buf, 3, 8), keySlot(Buffer.from('key')))
  t.equal(keySlot(buf, 4, 4), 0)
})
