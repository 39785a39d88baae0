// redis-cli works through the proxy: as a command, in a pipe, and by hand with completion and hints.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import t, { type Test } from 'tap'
import { randomName, waitFor } from '../fixtures/cluster.ts'
import { startTestProxy } from '../fixtures/proxy.ts'
import { encode } from '../fixtures/raw-client.ts'

interface Ended {
  stdout: Buffer
  stderr: string
  code: number | null
}

/** Runs redis-cli to its end. */
async function run(
  port: number,
  args: readonly string[],
  input: Buffer | string = '',
  environment: Record<string, string> = {},
): Promise<Ended> {
  const child = spawn('redis-cli', ['-p', String(port), ...args], {
    env: { ...process.env, ...environment },
    timeout: 30_000,
    killSignal: 'SIGKILL',
  })
  const out: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { stdout: Buffer.concat(out), stderr, code }
}

/** Runs redis-cli and gives what it printed, which has to be no complaint. */
async function printed(t: Test, port: number, args: readonly string[], input = ''): Promise<string> {
  const { stdout, stderr, code } = await run(port, args, input)
  t.equal(stderr, '', `nothing on stderr: ${args.join(' ')}`)
  t.equal(code, 0, `ends well: ${args.join(' ')}`)
  return String(stdout)
}

const { port } = await startTestProxy(t)

for (const [how, flags] of [
  ['with its default options', []],
  ['with RESP3', ['-3']],
] as const) {
  t.test(`redis-cli ${how} runs one command after another`, async (t) => {
    const name = randomName('cli')
    const cli = (...words: string[]): Promise<string> => printed(t, port, [...flags, ...words])
    t.equal(await cli('PING'), 'PONG\n')
    t.equal(await cli('SET', name, 'two words'), 'OK\n')
    t.equal(await cli('GET', name), 'two words\n')
    t.equal(await cli('INCR', `${name}:n`), '1\n')
    t.equal(await cli('HSET', `${name}:h`, 'a', '1'), '1\n')
    t.equal(await cli('HGETALL', `${name}:h`), flags.length > 0 ? 'a 1\n' : 'a\n1\n')
    t.equal(await cli('ZADD', `${name}:z`, '1', 'one'), '1\n')
    t.match(await cli('XADD', `${name}:x`, '*', 'a', '1'), /^\d+-\d+\n$/)
    t.equal(await cli('EVAL', 'return {KEYS[1], ARGV[1]}', '1', name, 'x'), `${name}\nx\n`)
    t.match(await cli('INFO', 'tq'), /^# TQ\r\ntq_version:/)
    t.equal(await cli('-r', '3', '-i', '0', 'INCR', `${name}:n`), '2\n3\n4\n')
    t.equal(await cli('--eval', '/dev/null', name), '\n', 'a script file with nothing in it')
  })

  t.test(`redis-cli ${how} runs TQ commands`, async (t) => {
    const event = randomName()
    const cli = (...words: string[]): Promise<string> => printed(t, port, [...flags, ...words])
    t.match(await cli('TQ.ENQUEUE', event, 'user', 'token'), /^QUEUED\n\d+-\d+\n1\n$/)
    t.equal(await cli('TQ.POS', event, 'token'), '1\n')
    t.equal(await cli('TQ.POS', event, 'nobody'), '\n')
    t.match(
      await cli('TQ.STATUS', event, 'token'),
      flags.length > 0 ? /^state waiting$/m : /^state\nwaiting$/m,
    )
    t.equal(await cli('TQ.STOCK', event, 'SEATS', 'A1', 'A2'), 'STOCKED\n2\n')
    t.match(await cli('TQ.HOLD', event, 'user', 'SEATS', 'A1'), /^HELD\n1\n\d+\n\d+\n\n$/)
    t.match(await cli('TQ.HELP', 'hold'), /^TQ\.HOLD event user /)
    t.match(await cli('--json', 'TQ.STATUS', event, 'token'), /"state":"waiting"/)
    t.match(await cli('--csv', 'TQ.ENQUEUE', event, 'user', 'token'), /^"DUPLICATE","\d+-\d+",1\n$/)
  })
}

t.test('redis-cli shows an error as one and says so by its status with -e', async (t) => {
  const unknown = await run(port, ['-e', 'NO.SUCH', 'x'])
  t.match(unknown, { code: 1, stderr: /^ERR unknown command 'NO\.SUCH', with args beginning with: 'x'/ })
  const wrong = await run(port, ['-e', 'TQ.POS', randomName()])
  t.match(wrong, { code: 1, stderr: /^ERR wrong number of arguments for 'tq\.pos' command/ })
})

t.test('redis-cli writes and reads bytes of any kind', async (t) => {
  const name = randomName('cli')
  const value = randomBytes(100_000)
  t.equal(String((await run(port, ['-x', 'SET', name], value)).stdout), 'OK\n')
  const { stdout } = await run(port, ['--raw', 'GET', name])
  t.ok(stdout.equals(Buffer.concat([value, Buffer.from('\n')])))
})

t.test('redis-cli takes commands line by line from a pipe', async (t) => {
  const name = randomName('cli')
  const lines = Array.from({ length: 200 }, (_, i) => `SET ${name}:${i} "value ${i}"\nGET ${name}:${i}\n`)
  const expected = lines.map((_, i) => `OK\nvalue ${i}\n`)
  t.equal(await printed(t, port, [], lines.join('')), expected.join(''))
})

t.test('redis-cli --pipe inserts in mass and counts the replies', async (t) => {
  const name = randomName('cli')
  const event = randomName()
  const commands = Array.from({ length: 500 }, (_, i) => [
    encode('SET', `${name}:${i}`, i),
    encode('TQ.ENQUEUE', event, 'user', `token-${i}`),
  ]).flat()
  const { stdout, stderr, code } = await run(port, ['--pipe'], Buffer.concat(commands))
  t.match(String(stdout), /^errors: 0, replies: 1000$/m)
  t.same([stderr, code], ['', 0])
  t.equal(await printed(t, port, ['TQ.POS', event, 'token-499']), '500\n')
})

t.test('redis-cli watches: --stat and --latency', async (t) => {
  for (const args of [
    ['--stat', '-i', '0.01'],
    ['--latency', '-i', '0.1'],
  ]) {
    const child = spawn('redis-cli', ['-p', String(port), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    t.teardown(() => child.kill('SIGKILL'))
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk
      })
    }
    // --stat prints a line a round under its heading, --latency min, max, avg on a line that it writes over.
    await waitFor(`numbers of ${args[0]}`, () =>
      /(\n\d+ .*\n\d+ )|(avg: [\d.]+)|(^\d+ \d+ [\d.]+ \d+)/s.test(output),
    )
    t.notMatch(output, /error|nan/i)
    child.kill('SIGKILL')
  }
})

t.test('redis-cli gives a password by option, by variable and in a URL', async (t) => {
  const requirepass = randomName('secret')
  const { port } = await startTestProxy(t, { requirepass })
  t.match(await run(port, ['-a', requirepass, '--no-auth-warning', 'PING']), { stderr: '', code: 0 })
  const environment = { REDISCLI_AUTH: requirepass }
  const byVariable = await run(port, ['-3', 'PING'], '', environment)
  t.same([String(byVariable.stdout), byVariable.stderr], ['PONG\n', ''])
  const url = `redis://default:${requirepass}@127.0.0.1:${port}/0`
  t.equal(String((await run(port, ['-u', url, '--no-auth-warning', 'PING'])).stdout), 'PONG\n')
  t.match(await run(port, ['-e', 'PING']), { stderr: /^NOAUTH Authentication required\./, code: 1 })
})

/** Ctrl-U */
const CLEAR_LINE = '\u0015'

/** redis-cli on a terminal of its own. */
interface Terminal {
  type(keys: string): void
  /** Resolves with what came since the last wait, once it matches; escape sequences are left out. */
  shows(pattern: RegExp): Promise<string>
}

/** Where `script` makes the terminal; it is on every Debian, and in util-linux elsewhere. */
async function terminal(t: Test, port: number): Promise<Terminal> {
  const home = mkdtempSync(join(tmpdir(), 'tq-cli-'))
  // Without a size redis-cli would ask the terminal where its cursor is, and nobody would answer.
  const command = `stty cols 250 rows 50; exec redis-cli -p ${port}`
  const child = spawn('script', ['-qfec', command, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', HOME: home },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    }
    rmSync(home, { recursive: true, force: true })
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return {
    type: (keys) => child.stdin.write(keys),
    async shows(pattern) {
      const plain = (): string => stripVTControlCharacters(output)
      const shown = await waitFor(`${pattern} on the terminal`, () => pattern.test(plain()) && plain()).catch(
        (error: Error) => {
          throw new Error(`${error.message}; it shows ${JSON.stringify(plain().slice(-500))}`)
        },
      )
      output = ''
      return shown
    },
  }
}

t.test('redis-cli by hand completes TQ commands, hints at their arguments and explains them', async (t) => {
  const event = randomName()
  const screen = await terminal(t, port)
  await screen.shows(/127\.0\.0\.1:\d+> $/)

  screen.type('tq.enq\t')
  await screen.shows(/> TQ\.ENQUEUE event user token \[DEDUPE dedupe\] \[TTL ttl\]/)
  screen.type(CLEAR_LINE)
  screen.type(`TQ.ENQUEUE ${event} `)
  t.pass(
    await screen.shows(new RegExp(`> TQ\\.ENQUEUE ${event} user token \\[DEDUPE dedupe\\] \\[TTL ttl\\]`)),
  )
  screen.type('alice ticket-1\r')
  await screen.shows(/1\) "QUEUED"\r\n2\) "\d+-\d+"\r\n3\) \(integer\) 1\r\n127\.0\.0\.1:\d+> $/)

  screen.type('SET key ')
  await screen.shows(/> SET key value \[NX\|XX\]/)
  screen.type(CLEAR_LINE)

  screen.type('HELP TQ.HOLD\r')
  t.match(
    await screen.shows(/group: tq[\r\n]/),
    /TQ\.HOLD event user .*summary: Holds seats.*since: 0\.1\.0/s,
  )
  screen.type('HELP @tq\r')
  t.match(await screen.shows(/TQ\.STOCK event.*> $/s), /TQ\.ENQUEUE event.*TQ\.POS event token/s)
})

t.test('redis-cli by hand switches to RESP3 and shows a record as a map', async (t) => {
  const event = randomName()
  const screen = await terminal(t, port)
  await screen.shows(/> $/)
  screen.type(`TQ.ENQUEUE ${event} alice ticket-1\r`)
  await screen.shows(/"QUEUED".*> $/s)
  screen.type('HELLO 3\r')
  t.match(await screen.shows(/"modules" => \(empty array\)\r\n.*> $/s), /"proto" => \(integer\) 3/)
  screen.type(`TQ.STATUS ${event} ticket-1\r`)
  t.match(await screen.shows(/"state" => "waiting"\r\n.*> $/s), /"position" => \(integer\) 1/)
  screen.type('nosuch\r')
  await screen.shows(/\(error\) ERR unknown command 'nosuch', with args beginning with: \r\n.*> $/s)
})

t.test('redis-cli by hand comes back when the proxy was started anew', async (t) => {
  const before = await startTestProxy(t)
  const screen = await terminal(t, before.port)
  await screen.shows(/> $/)
  await before.stop()
  await startTestProxy(t, { listen: `127.0.0.1:${before.port}` })
  // With any Redis the first command finds out, and the next one connects anew.
  screen.type('PING\r')
  await screen.shows(/Error: Server closed the connection\r\nnot connected> $/)
  screen.type('PING\r')
  await screen.shows(/PONG\r\n.*> $/s)
})
