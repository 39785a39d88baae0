// Scripts and specs agree, and the check says so where they do not.

import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

function check(folder: string): Promise<{ code: number; said: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(folder, 'scripts/check-lua.ts')], (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, said: out + err })
    })
  })
}

/** A copy of what the check looks at, with one file changed. */
async function changed(t: Test, file: string, from: string, to: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'check-lua-'))
  t.teardown(() => rm(folder, { recursive: true }))
  for (const part of ['lua', 'src', 'scripts', 'package.json']) {
    await cp(join(ROOT, part), join(folder, part), { recursive: true })
  }
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const path = join(folder, file)
  const text = from === '' ? '' : await readFile(path, 'utf8')
  if (from !== '' && !text.includes(from)) throw new Error(`${file} does not contain ${from}`)
  await writeFile(path, from === '' ? to : text.replace(from, to))
  return folder
}

t.test('the scripts and specs of this project agree', async (t) => {
  const { code, said } = await check(ROOT)
  t.equal(code, 0, said)
})

const FAULTS: [string, string, string, string, RegExp][] = [
  [
    'ARGV in another order',
    'lua/tq-dequeue.lua',
    'user, count, id\n',
    'user, id, count\n',
    /tq-dequeue\.lua says ARGV/,
  ],
  [
    'a key left out',
    'lua/tq-seatmap.lua',
    'KEYS: event (hash), ',
    'KEYS: ',
    /tq-seatmap\.lua says KEYS seats/,
  ],
  [
    'a key of another type',
    'lua/tq-peek.lua',
    'line (zset)',
    'line (list)',
    /says line is a list; it is zset/,
  ],
  [
    'a local of another name',
    'lua/tq-leave.lua',
    'requestId, token = ',
    'token, requestId = ',
    /names ARGV\[1\] token/,
  ],
  [
    'another command',
    'lua/tq-leave.lua',
    '-- TQ.LEAVE:',
    '-- TQ.GO:',
    /says it is TQ\.GO, but TQ\.LEAVE runs it/,
  ],
  [
    'an argument more in the spec',
    'src/commands/tq/leave.ts',
    "{ name: 'token', type: 'id' },",
    "{ name: 'token', type: 'id' }, { name: 'why', type: 'id' },",
    /TQ\.LEAVE sends requestId, token, why/,
  ],
  [
    'a spec without its script',
    'src/commands/tq/leave.ts',
    "script: 'tq-leave'",
    "script: 'tq-gone'",
    /there is no such file.*tq-leave\.lua is run by no command/s,
  ],
  [
    'a helper that nothing uses',
    'lua/lib/spare.lua',
    '',
    '-- Does nothing.\n',
    /lib\/spare\.lua is used by no script/,
  ],
  [
    'a helper that is not there',
    'lua/tq-leave.lua',
    'USES: clock',
    'USES: clocks',
    /there is no lua\/lib\/clocks\.lua/,
  ],
  [
    'a reader that writes',
    'lua/tq-peek.lua',
    'local result = {}',
    "redis.call('DEL', line)\nlocal result = {}",
    /calls DEL, but TQ\.PEEK is not flagged write/,
  ],
  ['a header without a line', 'lua/tq-peek.lua', '-- RETURNS: ', '-- RETURN: ', /has no line "-- RETURNS: /],
]

for (const [what, file, from, to, complaint] of FAULTS) {
  t.test(`${what} is found`, async (t) => {
    const { code, said } = await check(await changed(t, file, from, to))
    t.not(code, 0)
    t.match(said, complaint)
  })
}
