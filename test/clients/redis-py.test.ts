// redis-py works through the proxy, whatever of its defaults are in use.

import t from 'tap'
import { CONNECTIONS, checkClient } from './check.ts'
import { installClient } from './install.ts'

const program = await installClient('redis-py')
if (program !== null) {
  for (const [how, connection] of CONNECTIONS) {
    t.test(`redis-py 8 ${how}`, (t) => checkClient(t, program, connection))
  }
}
