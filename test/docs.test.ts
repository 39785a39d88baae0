// The reference pages say what the specifications, the settings and a real redis-cli say.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'tap'

test('docs/commands.md and docs/configuration.md are current', async (t) => {
  const run = promisify(execFile)(process.execPath, ['scripts/docs.ts', '--check'], { timeout: 120_000 })
  const output = await run.then(
    ({ stdout }) => stdout,
    (error: { stderr: string }) => error.stderr,
  )
  t.match(output, /docs\/commands\.md is current/)
  t.match(output, /docs\/configuration\.md is current/)
})
