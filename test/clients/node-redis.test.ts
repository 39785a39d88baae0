// node-redis works through the proxy, whatever of its defaults are in use.

import { fileURLToPath } from 'node:url'
import t from 'tap'
import { CONNECTIONS, checkClient } from './check.ts'

const program = {
  command: process.execPath,
  args: [fileURLToPath(new URL('./node-redis/check.ts', import.meta.url))],
}

for (const [how, connection] of CONNECTIONS) {
  t.test(`node-redis 6 ${how}`, (t) => checkClient(t, program, connection))
}
