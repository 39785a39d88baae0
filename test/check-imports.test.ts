// The import arrows of the real sources run down, and the check that says so can fail.

import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { checkImports } from '../scripts/check-imports.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A copy of the sources with one more file in it. */
async function copyWith(t: Test, files: Record<string, string>): Promise<string> {
  const folder = t.testdir({})
  await cp(join(root, 'src'), join(folder, 'src'), { recursive: true })
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

t.test('all arrows run down', async (t) => {
  t.same(checkImports(root).complaints, [])
})

const broken: [what: string, files: Record<string, string>, complaint: string][] = [
  [
    'resp imports something of ours',
    { 'src/resp/new.ts': "import '../routing/slots.ts'\n" },
    'src/resp/new.ts:1 imports routing/slots.ts: resp is about bytes',
  ],
  [
    'resp imports a type of ours',
    { 'src/resp/new.ts': "import type { X } from '../routing/slots.ts'\n" },
    'src/resp/new.ts:1 imports routing/slots.ts (its types)',
  ],
  [
    'commands open a socket',
    { 'src/commands/new.ts': "// Hello.\nimport { connect } from 'node:net'\n" },
    'src/commands/new.ts:2 imports node:net: commands decide',
  ],
  [
    'commands load a value of upstream',
    { 'src/commands/new.ts': "import { Link } from '../upstream/link.ts'\n" },
    'src/commands/new.ts:1 imports upstream/link.ts',
  ],
  [
    'commands talk to Redis behind a dynamic import',
    { 'src/commands/new.ts': "export const redis = () => import('ioredis')\n" },
    'src/commands/new.ts:1 imports ioredis',
  ],
  [
    'routing reads files',
    { 'src/routing/new.ts': "export { readFile } from 'node:fs/promises'\n" },
    'src/routing/new.ts:1 imports node:fs/promises',
  ],
  [
    'upstream loads commands, be it for a type in braces',
    { 'src/upstream/new.ts': "import { type TqSpec } from '../commands/spec.ts'\n" },
    'src/upstream/new.ts:1 imports commands/spec.ts: upstream knows nodes and no commands',
  ],
  [
    'client loads a link',
    { 'src/client/new.ts': "import { Link } from '../upstream/link.ts'\n" },
    'src/client/new.ts:1 imports upstream/link.ts: client knows its connection',
  ],
  [
    'a lower layer imports the whole',
    { 'src/client/new.ts': "import { startProxy } from '../proxy.ts'\n" },
    'src/client/new.ts:1 imports proxy.ts',
  ],
  [
    'the environment is read outside of the configuration',
    { 'src/client/new.ts': 'export const debug = process.env.DEBUG\n' },
    'src/client/new.ts:1 reads process.env: only config.ts does',
  ],
  [
    'two files import each other',
    { 'src/client/a.ts': "import './b.ts'\n", 'src/client/b.ts': "import './a.ts'\n" },
    'imports itself in a circle: client/a.ts -> client/b.ts -> client/a.ts',
  ],
  [
    'a new layer has no rule',
    { 'src/other/new.ts': 'export {}\n' },
    'src/other/new.ts:1 belongs to no known layer',
  ],
]

for (const [what, files, complaint] of broken) {
  t.test(`it is noticed when ${what}`, async (t) => {
    const { complaints } = checkImports(await copyWith(t, files))
    t.equal(complaints.length, 1)
    t.match(complaints[0], complaint)
  })
}

t.test('types may be imported where only the shape is needed, and do not make a circle', async (t) => {
  const { complaints } = checkImports(
    await copyWith(t, {
      'src/upstream/a.ts':
        "import type { TqSpec } from '../commands/spec.ts'\nimport type { B } from './b.ts'\nexport type A = TqSpec | B\n",
      'src/upstream/b.ts': "import './a.ts'\nexport type B = 1\n",
    }),
  )
  t.same(complaints, [])
})

t.test('the program names what is wrong and ends with status 1', async (t) => {
  const folder = await copyWith(t, { 'src/resp/new.ts': "import 'ioredis'\n" })
  const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
    execFile(process.execPath, [join(root, 'scripts/check-imports.ts'), folder], (error, _stdout, stderr) => {
      resolve({ code: error?.code, stderr })
    })
  })
  t.equal(code, 1)
  t.match(stderr, 'src/resp/new.ts:1 imports ioredis: resp is about bytes')
})
