// Runs the small program that drives one client library through the proxy, and asserts what it found to work.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { startTestProxy } from '../fixtures/proxy.ts'

/** What every client has to be able to do, in the order in which the programs say so. */
export const CAPABILITIES = [
  'connects with its opening commands answered',
  'reads and writes strings',
  'counts',
  'reads and writes hashes, sorted sets and streams',
  'runs a script of its own',
  'keeps binary keys and values as they are',
  'has several hundred commands over all slots answered in order in one pipeline',
  'gets an error as its own kind of error and goes on',
  'names itself and learns its id',
  'reads INFO',
  'enqueues, and again: a duplicate',
  'asks for a position, and for that of nobody',
  'reads the status record in the form of its protocol',
  'holds a seat, and finds it taken for others',
  'sends TQ commands in a pipeline among others',
  'comes back after the proxy was started anew',
] as const

/** How the program is to connect; it gets this as variables. */
export interface Connection {
  /** None: what the client takes by itself. */
  protocol?: 2 | 3
  password?: string
}

/** A program that drives one client, as a command line. */
export interface ClientProgram {
  command: string
  args: readonly string[]
}

/** The three ways in which each client connects. */
export const CONNECTIONS: readonly [string, Connection][] = [
  ['with its default options', {}],
  ['with its default options and a password', { password: 'pass word:@/1' }],
  ['with RESP2', { protocol: 2 }],
]

/** How long the whole program may take: one that waits for a reply that never comes is ended. */
const PROGRAM_TIMEOUT_MS = 60_000

/**
 * Starts a proxy, runs the program against it, starts the proxy anew when the program asks for that, and
 * compares what it printed, a line a capability, with what every client has to be able to do.
 */
export async function checkClient(t: Test, program: ClientProgram, connection: Connection): Promise<void> {
  const { protocol, password } = connection
  const settings = password === undefined ? {} : { requirepass: password }
  let proxy = await startTestProxy(t, settings)
  const child = spawn(program.command, program.args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TQ_PORT: String(proxy.port),
      TQ_PROTOCOL: protocol === undefined ? '' : String(protocol),
      TQ_PASSWORD: password ?? '',
    },
    timeout: PROGRAM_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'close') as Promise<[number | null, string | null]>
  let warnings = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    warnings += text
  })
  const found: string[] = []
  for await (const line of createInterface(child.stdout)) {
    if (line !== 'restart') {
      found.push(line)
      continue
    }
    const listen = `127.0.0.1:${proxy.port}`
    await proxy.stop()
    proxy = await startTestProxy(t, { ...settings, listen })
    child.stdin.write('restarted\n')
  }
  const [code, signal] = await ended
  for (const capability of CAPABILITIES) {
    t.equal(
      found.find((line) => capabilityOf(line) === capability),
      `ok ${capability}`,
      capability,
    )
  }
  t.same(
    found.filter((line) => !CAPABILITIES.includes(capabilityOf(line) as never)),
    [],
    'the program says nothing else',
  )
  t.equal(warnings, '', 'nobody is warned of anything')
  t.equal(signal ?? code, 0, 'the program ends by itself and is content')
}

/** The capability that a line of a program is about: `ok <capability>` or `not ok <capability> # <reason>`. */
function capabilityOf(line: string): string | undefined {
  return /^(?:not )?ok (.*?)(?: # .*)?$/.exec(line)?.[1]
}
