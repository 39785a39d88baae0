// Writes the reference pages from the specifications and settings, with real redis-cli sessions; or checks them.
// usage: node scripts/docs.ts [--check]

import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { syntaxLine } from '../src/commands/command-docs.ts'
import type { TqSpec } from '../src/commands/spec.ts'
import { loadTqSpecs } from '../src/commands/tq-specs.ts'
import { defaultConfig, flagOf, SETTINGS, type Setting, size, variableOf } from '../src/config.ts'
import { startRedis } from '../src/dev/redis-cluster.ts'
import { openLog } from '../src/observe/log.ts'
import { startProxy } from '../src/proxy.ts'

const GROUPS: [TqSpec['group'], string][] = [
  ['line', 'The line'],
  ['admission', 'Admission'],
  ['seats', 'Seats'],
  ['operating', 'Operating'],
]

const COMMON = `Rules that hold for all of them:

- The first argument is the event, 1 to 256 bytes without braces or control characters; anything else is \`-BADEVENT\`. It alone decides which shard does the work. An event needs no creation: the first write makes it.
- Other ids (users, tokens, seats, dedupe keys, sections) have 1 to 256 bytes and are binary safe.
- An outcome of business (\`SOLD_OUT\`) is a reply with the status word first and a fixed length; misuse and failure are errors.
- Records are maps on RESP3 and flat arrays of names and values on RESP2.
- Option names are read in any case. An unknown or repeated option, or a seat named twice, is \`-ERR syntax error\`.
- Every command that changes something may be sent again and takes effect once. Where names do not make that natural, it takes \`ID id\`: the first result is kept and given again to the same id; the same id with other arguments is \`-IDMISMATCH\`.
- \`-UNCERTAIN\` means that the write may or may not have happened: send it again, with the same \`ID\` where the command takes one.
- Time is Redis's clock. \`expires_ms\` and \`opens_at_ms\` are Unix times in milliseconds, every other \`_ms\` is a duration.
`

/** One redis-cli session on an empty server. */
async function session(
  lines: readonly string[],
  port: number,
  reset: () => Promise<unknown>,
): Promise<string> {
  await reset()
  const shown: string[] = []
  for (const line of lines) {
    if (line.startsWith('#')) {
      const pause = /^# sleep ([\d.]+)$/.exec(line)
      if (pause === null) shown.push(line)
      else {
        await delay(Number(pause[1]) * 1000)
        shown.push(`# ${pause[1]} s later`)
      }
      continue
    }
    shown.push(`127.0.0.1:6380> ${line}`, (await typed(line, port)).trimEnd())
  }
  return shown.join('\n')
}

/** What redis-cli says to one line. Not waited for in place: the proxy that answers is in this process. */
function typed(line: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: 10_000 }
    const cli = execFile('redis-cli', ['-p', String(port), '--no-raw'], options, (error, output) =>
      error === null ? resolve(output) : reject(error),
    )
    cli.stdin!.end(`${line}\n`)
  })
}

async function commandPage(): Promise<string> {
  const specs = await loadTqSpecs()
  const redis = await startRedis()
  const config = { ...defaultConfig(), listen: '127.0.0.1:0', upstream: [redis.address], drainTimeoutMs: 100 }
  const proxy = await startProxy(config, openLog('silent', 'json'))
  const control = new Redis(redis.port, '127.0.0.1')
  try {
    await proxy.whenReady()
    const parts = [
      '# The TQ.* commands\n\nMade from the specifications in `src/commands/tq` by `node scripts/docs.ts`; the sessions are real ones.\n',
      COMMON,
    ]
    for (const [group, title] of GROUPS) {
      const members = [...specs.values()].filter((spec) => spec.group === group)
      if (members.length === 0) continue
      parts.push(`## ${title}\n`)
      for (const spec of members) {
        const example =
          spec.example === undefined ? '' : await session(spec.example, proxy.port, () => control.flushall())
        parts.push(commandSection(spec, example))
      }
    }
    return `${parts.join('\n').trimEnd()}\n`
  } finally {
    control.disconnect()
    await proxy.stop()
    await redis.stop()
  }
}

function commandSection(spec: TqSpec, example: string): string {
  const lines = [`### ${spec.name}`, '', '```', `${spec.name} ${syntaxLine(spec.args)}`.trimEnd(), '```', '']
  lines.push(`${spec.summary}. ${spec.complexity}.`, '')
  lines.push('| reply | when |', '| --- | --- |')
  for (const { reply, when } of spec.replies) lines.push(`| \`${cell(reply)}\` | ${cell(when)} |`)
  for (const { error, when } of spec.errors) lines.push(`| \`-${cell(error)}\` | ${cell(when)} |`)
  lines.push('')
  for (const note of spec.notes ?? []) lines.push(`${note}\n`)
  if (example !== '') lines.push('```console', example, '```', '')
  return lines.join('\n')
}

function settingsPage(): string {
  const lines = [
    '# Configuration',
    '',
    'Made from `src/config.ts` by `node scripts/docs.ts`. A flag counts before a variable, a variable before the file (`--config file`, `TQ_CONFIG`; YAML or JSON, names as in the first column).',
    '',
    '| setting | flag | variable | default | takes | |',
    '| --- | --- | --- | --- | --- | --- |',
  ]
  for (const [name, setting] of Object.entries<Setting>(SETTINGS)) {
    const { allowed, about, default: value, placeholder, fileOnly } = setting
    const shown =
      value === undefined || value === null || fileOnly ? '' : `\`${defaultText(value, placeholder)}\``
    lines.push(
      `| \`${name}\` | ${fileOnly ? 'file only' : `\`--${flagOf(name)}\``} | ${fileOnly ? '' : `\`${variableOf(name)}\``} | ${shown} | ${cell(allowed)} | ${cell(about)} |`,
    )
  }
  return `${lines.join('\n')}\n`
}

function defaultText(value: unknown, placeholder: string): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return placeholder === 'size' ? size(Number(value)) : String(value)
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

/** What differs from run to run: times, the ids made of them, random passes, and durations of a few ms. */
function masked(text: string): string {
  return text
    .replace(/\b\d{13}\b/g, '<ms>')
    .replace(/"[0-9a-f]{32}"/g, '"<pass>"')
    .replace(/("(?:waited_ms|oldest_wait_ms|poll_after_ms|eta_ms|rate|ttl_ms)"\n *\d+\) ).*/g, '$1<n>')
    .replace(/(\(integer\)|") ?\d{3,6}\b/g, '$1 <n>')
}

const check = process.argv.includes('--check')
let stale = 0
for (const [file, text] of [
  ['docs/commands.md', await commandPage()],
  ['docs/configuration.md', settingsPage()],
] as const) {
  const path = new URL(`../${file}`, import.meta.url)
  const old = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (masked(old) === masked(text)) {
    console.log(`${file} is current`)
  } else if (check) {
    console.error(`${file} is not current: run node scripts/docs.ts`)
    stale++
  } else {
    writeFileSync(path, text)
    console.log(`${file} written`)
  }
}
process.exitCode = stale === 0 ? 0 : 1
