// The slot map knows who serves what, and forgets who serves nothing.

import t from 'tap'
import { SlotMap } from '../../src/routing/slot-map.ts'

function twoNodes(): SlotMap<string> {
  const map = new SlotMap<string>()
  map.replace([
    { from: 0, to: 99, node: 'a' },
    { from: 100, to: 16_383, node: 'b' },
  ])
  return map
}

t.test('it is empty before the first topology', async (t) => {
  const map = new SlotMap<string>()
  t.equal(map.owner(0), null)
  t.equal(map.any(), null)
  t.equal(map.covered, 0)
  t.same(map.nodes, [])
})

t.test('ranges hold both their ends', async (t) => {
  const map = twoNodes()
  t.same(
    [0, 99, 100, 16_383].map((slot) => map.owner(slot)),
    ['a', 'a', 'b', 'b'],
  )
  t.equal(map.covered, 16_384)
  t.same(map.nodes, ['a', 'b'])
})

t.test('a new map replaces the old one whole', async (t) => {
  const map = twoNodes()
  map.replace([{ from: 5, to: 5, node: 'c' }])
  t.same(
    [4, 5, 6].map((slot) => map.owner(slot)),
    [null, 'c', null],
  )
  t.equal(map.covered, 1)
  t.same(map.nodes, ['c'])
  map.replace([])
  t.equal(map.any(), null)
})

t.test('a single slot moves, to a node that is new as well', async (t) => {
  const map = twoNodes()
  map.move(99, 'b')
  map.move(100, 'c')
  t.same(
    [98, 99, 100, 101].map((slot) => map.owner(slot)),
    ['a', 'b', 'c', 'b'],
  )
  t.same([...map.nodes].sort(), ['a', 'b', 'c'])
})

t.test('any master comes in turn', async (t) => {
  const map = twoNodes()
  const seen = Array.from({ length: 6 }, () => map.any())
  t.equal(seen.filter((node) => node === 'a').length, 3)
  t.equal(seen.filter((node) => node === 'b').length, 3)
})
