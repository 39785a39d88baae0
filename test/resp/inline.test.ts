// A typed line becomes words by the quoting rules of Redis.

import t from 'tap'
import { splitInline } from '../../src/resp/inline.ts'

function split(line: string): string[] | null {
  return splitInline(Buffer.from(line, 'latin1'))?.map((word) => word.toString('latin1')) ?? null
}

t.test('words are what stands between spaces, tabs and line ends', async (t) => {
  t.same(split(''), [])
  t.same(split('  \t\r\v\f '), [])
  t.same(split('a'), ['a'])
  t.same(split(' a  b\tc\rd '), ['a', 'b', 'c', 'd'])
  t.same(split('a\vb\fc'), ['a\vb\fc'], 'a vertical tab goes on inside a word')
  t.same(split('\va'), ['a'], 'and is passed over before one')
  t.same(split('\xff\x80'), ['\xff\x80'])
})

t.test('double quotes know escapes', async (t) => {
  t.same(split('"a b"'), ['a b'])
  t.same(split('""'), [''])
  t.same(split('"\\n\\r\\t\\b\\a"'), ['\n\r\t\b\x07'])
  t.same(split('"\\x00\\xfF\\x7e"'), ['\x00\xff~'])
  t.same(split('"\\x4"'), ['x4'], 'one digit is none')
  t.same(split('"\\xgg"'), ['xgg'])
  t.same(split('"\\"\\\\\\q"'), ['"\\q'])
  t.same(split('a"b c"'), ['ab c'], 'they may open inside a word')
  t.same(split('"it\'s"'), ["it's"])
})

t.test('single quotes know one escape', async (t) => {
  t.same(split("'a b'"), ['a b'])
  t.same(split("'\\'\\n\\x41'"), ["'\\n\\x41"])
  t.same(split("''"), [''])
  t.same(split("'\"'"), ['"'])
})

t.test('outside of quotes a backslash is only itself', async (t) => {
  t.same(split('\\n \\" x"'), ['\\n', '\\ x'], 'it does not keep a quote from opening')
  t.same(split('\\n\\x41'), ['\\n\\x41'])
})

t.test('quotes that do not close, or close before more text, make no words', async (t) => {
  for (const line of ['"', "'", 'a "b', "a 'b", '"a"b', "'a'b", '"a""b"', '"a\\"', "'a\\'", '"\\']) {
    t.equal(split(line), null, line)
  }
})
