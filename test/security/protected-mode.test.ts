// Protected mode: without a password or users, only clients of this machine are let in.

import { networkInterfaces } from 'node:os'
import t, { type Test } from 'tap'
import { startTestProxy } from '../fixtures/proxy.ts'
import { rawClient } from '../fixtures/raw-client.ts'

const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
/** An address of ours that is not the loopback one; a link-local one would need its interface named. */
function outside(family: 'IPv4' | 'IPv6'): string | undefined {
  return addresses.find((one) => one.family === family && !one.internal && !one.address.startsWith('fe80'))
    ?.address
}
const hasIPv6 = addresses.some(({ address }) => address === '::1')

async function firstWord(t: Test, port: number, host: string): Promise<string> {
  const client = await rawClient(port, host)
  t.teardown(client.destroy)
  await client.send('PING\r\n')
  return String((await client.replies(1))[0])
    .split(' ')[0]!
    .trimEnd()
}

for (const [family, host] of [
  ['IPv4', '0.0.0.0'],
  ['IPv6', '[::]'],
] as const) {
  const address = outside(family)
  t.test(
    `over ${family}`,
    { skip: address === undefined && `no ${family} address but loopback` },
    async (t) => {
      const closed = await startTestProxy(t, { listen: `${host}:0` })
      t.equal(await firstWord(t, closed.port, address!), '-DENIED')
      t.equal(await firstWord(t, closed.port, family === 'IPv4' ? '127.0.0.1' : '::1'), '+PONG')
      t.equal(closed.log.filter(({ message }) => message === 'client refused').length, 1)
      for (const [settings, expected] of [
        [{ requirepass: 'sesame' }, '-NOAUTH'],
        [
          {
            users: [
              {
                name: 'a',
                passwordSha256: ['0'.repeat(64)],
                commands: '',
                keys: [],
                channels: [],
                events: [],
              },
            ],
          },
          '-NOAUTH',
        ],
        [{ protectedMode: false }, '+PONG'],
      ] as const) {
        const open = await startTestProxy(t, { listen: `${host}:0`, ...settings } as never)
        t.equal(await firstWord(t, open.port, address!), expected)
      }
    },
  )
}

t.test(
  'an IPv4 client of this machine is known as such at an IPv6 port',
  { skip: !hasIPv6 && 'this machine has no IPv6' },
  async (t) => {
    const { port } = await startTestProxy(t, { listen: '[::]:0' })
    t.equal(await firstWord(t, port, '127.0.0.1'), '+PONG')
  },
)
