// What a test run counts and reports, from the TAP it reads.

import { once } from 'node:events'
import t from 'tap'
import { type Counts, tallyTap } from '../../scripts/tap-tally.ts'

async function read(tap: string): Promise<{ counts: Counts; files: string[]; failures: string[] }> {
  const files: string[] = []
  const failures: string[] = []
  const { parser, counts } = tallyTap({
    onFile: (name, ok, { passed, failed, skipped }) =>
      files.push(`${name} ${ok} ${passed}/${failed}/${skipped}`),
    onPrinted: (name, text) => files.push(`${name} printed ${text.trim()}`),
    onFailure: (path, details) => failures.push(`${path}: ${details}`),
  })
  const complete = once(parser, 'complete')
  parser.end(`TAP version 14\n${tap}`)
  await complete
  const { passed, failed, skipped } = counts
  return { counts: { passed, failed, skipped }, files, failures }
}

t.test('a test is a subtest without subtests, however many assertions it holds', async (t) => {
  const { counts, files } = await read(`
# Subtest: a.test.ts
    # Subtest: one
        ok 1 - x
        ok 2 - y
        1..2
    ok 1 - one
    # Subtest: outer
        ok 1 - prepared
        # Subtest: inner
            ok 1 - x
            1..1
        ok 2 - inner
        1..2
    ok 2 - outer
    1..2
ok 1 - a.test.ts # time=12ms
# Subtest: bare.test.ts
    ok 1 - x
    1..1
ok 2 - bare.test.ts
1..2
`)
  t.same(counts, { passed: 3, failed: 0, skipped: 0 })
  t.same(files, ['a.test.ts true 2/0/0', 'bare.test.ts true 1/0/0'])
})

t.test('a failed assertion fails its test, and is told with its details and what was printed', async (t) => {
  const { counts, files, failures } = await read(`
# Subtest: a.test.ts
    # Subtest: one
hello from the test
        not ok 1 - x
          ---
          wanted: 1
          found: 2
          ...
        not ok 2 - y
        1..2
    not ok 1 - one
    # Subtest: two
        ok 1 - x
        1..1
    ok 2 - two
    1..2
not ok 1 - a.test.ts
1..1
`)
  t.same(counts, { passed: 1, failed: 1, skipped: 0 })
  t.same(files, ['a.test.ts false 1/1/0', 'a.test.ts printed hello from the test'])
  t.equal(failures.length, 2)
  t.match(failures[0], /^a\.test\.ts > one > x: wanted: 1\nfound: 2\n/)
})

t.test('a file that crashes or runs out of time counts as failed, with no test in it to blame', async (t) => {
  const { counts, files, failures } = await read(`
# Subtest: a.test.ts
    # Subtest: one
        ok 1 - x
        1..1
    ok 1 - one
    1..1
not ok 1 - a.test.ts
  ---
  exitCode: 7
  ...
# Subtest: empty.test.ts
    1..0
not ok 2 - empty.test.ts
1..2
`)
  t.same(counts, { passed: 1, failed: 2, skipped: 0 })
  t.same(files, ['a.test.ts false 1/1/0', 'empty.test.ts false 0/1/0'])
  t.match(failures[0], /exitCode: 7/)
})

t.test('skipped tests, files and assertions count as skipped and never as passed', async (t) => {
  const { counts } = await read(`
# Subtest: a.test.ts
    ok 1 - later # SKIP no engine
    # Subtest: half
        ok 1 - x
        ok 2 - y # SKIP
        1..2
    ok 2 - half
    # Subtest: none
        ok 1 - x # SKIP
        1..1
    ok 3 - none
    not ok 4 - some day # TODO
    1..4
ok 1 - a.test.ts
# Subtest: b.test.ts
    1..0 # SKIP no docker
ok 2 - b.test.ts # SKIP no docker
1..2
`)
  t.same(counts, { passed: 1, failed: 0, skipped: 5 })
})

t.test('buffered subtests are read as well', async (t) => {
  const { counts } = await read(`
ok 1 - a.test.ts {
    ok 1 - one {
        ok 1 - x
        1..1
    }
    not ok 2 - two {
        not ok 1 - x
        1..1
    }
    1..2
}
1..1
`)
  t.same(counts, { passed: 1, failed: 1, skipped: 0 })
})

t.test('a bail-out is a failure', async (t) => {
  const { counts, failures } = await read('Bail out! no more\n')
  t.same(counts, { passed: 0, failed: 1, skipped: 0 })
  t.match(failures, [/no more/])
})
