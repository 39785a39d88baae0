// Has a client library of another language installed, or says why its test cannot run here.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import type { ClientProgram } from './check.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/install-clients.sh', import.meta.url))
/** What the script ends with where the machine has not the language. */
const MISSING = 3
/** A first download and build; later ones take a moment. */
const INSTALL_TIMEOUT_MS = 300_000

/**
 * Installs the client and gives its program; null where the language is missing, which is shown as a skipped
 * test and never as one that passed.
 */
export async function installClient(name: 'redis-py' | 'go-redis'): Promise<ClientProgram | null> {
  t.setTimeout(INSTALL_TIMEOUT_MS)
  try {
    const { stdout } = await promisify(execFile)('bash', [SCRIPT, name], { timeout: INSTALL_TIMEOUT_MS })
    const [command, ...args] = stdout.trimEnd().split('\n')
    return { command: command!, args }
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string }
    if (code !== MISSING) throw error
    t.test(`${name} works through the proxy`, { skip: stderr?.trim() || 'its language is missing' }, () => {})
    return null
  }
}
