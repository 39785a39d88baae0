// go-redis works through the proxy, whatever of its defaults are in use.

import t from 'tap'
import { CONNECTIONS, checkClient } from './check.ts'
import { installClient } from './install.ts'

const program = await installClient('go-redis')
if (program !== null) {
  for (const [how, connection] of CONNECTIONS) {
    t.test(`go-redis 9 ${how}`, (t) => checkClient(t, program, connection))
  }
}
