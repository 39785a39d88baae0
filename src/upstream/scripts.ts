// Reads lua/ and makes of it the scripts that Redis runs: helpers put in, header read, name of its text known.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'

/** A key as a header names it: what stands behind the last colon of the key's name, and its type. */
export interface ScriptKey {
  readonly name: string
  readonly type: string
}

/** What the first lines of a script say about it; checked against the specs. */
export interface ScriptHeader {
  /** `TQ.LEAVE` */
  readonly command: string
  readonly summary: string
  readonly keys: readonly ScriptKey[]
  /** Names of the ARGV places; a last one that ends in `…` stands for any number of values. */
  readonly argv: readonly string[]
  readonly returns: string
  readonly complexity: string
}

/** A script as it is sent to Redis. */
export interface Script {
  /** The file's stem: `tq-leave`. */
  readonly name: string
  /** SHA-1 of `body`, 40 hexadecimal digits: the name EVALSHA knows it by. */
  readonly sha: string
  readonly body: string
  readonly header: ScriptHeader
}

const LUA = new URL('../../lua/', import.meta.url)

/**
 * Reads every script of a folder, once, at start-up.
 *
 * @param folder where the `tq-*.lua` files and their `lib/` are
 * @returns the scripts by name
 * @throws Error where a header is incomplete or a helper is missing: a mistake in the package, not of a caller
 */
export function loadScripts(folder: URL = LUA): Map<string, Script> {
  const scripts = new Map<string, Script>()
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.lua')) continue
    const name = file.slice(0, -'.lua'.length)
    const source = readFileSync(new URL(file, folder), 'utf8')
    const body = assemble(name, source, folder)
    const sha = createHash('sha1').update(body).digest('hex')
    scripts.set(name, { name, sha, body, header: readHeader(name, source) })
  }
  return scripts
}

/**
 * The helpers of `-- USES: a, b` go where that line stands: below the locals that name the keys, or inside a branch
 * that is seldom taken, because a call pays for every function it passes (about 0.1 us each).
 */
function assemble(name: string, source: string, folder: URL): string {
  const text = source.replace(/^ *-- USES: (.*)$/gm, (_, uses: string) =>
    uses
      .split(',')
      .map((part) => strip(readHelper(name, part.trim(), folder)))
      .join('\n'),
  )
  // An error that Redis raises, such as WRONGTYPE or OOM, is caught as the text that it has outside of scripts;
  // raised to the top it would carry the script's name and line. Other texts are faults of ours.
  return [
    'local function run(KEYS, ARGV)',
    strip(text),
    'end',
    'local ok, result = pcall(run, KEYS, ARGV)',
    "if ok or type(result) == 'table' then return result end",
    "return redis.error_reply((string.find(result, '^%u+ ') and '' or 'ERR ') .. result)",
    '',
  ].join('\n')
}

function readHelper(script: string, name: string, folder: URL): string {
  try {
    return readFileSync(new URL(`lib/${name}.lua`, folder), 'utf8')
  } catch (cause) {
    throw new Error(`lua/${script}.lua uses ${name}, and there is no lua/lib/${name}.lua`, { cause })
  }
}

/** Lines that only people read need not be sent. */
function strip(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/^\s*(--.*)?$/.test(line))
    .join('\n')
}

function readHeader(name: string, source: string): ScriptHeader {
  const lines = source.split('\n')
  const first = /^-- (TQ\.[A-Z]+): (.+)$/.exec(lines[0])
  if (!first) throw new Error(`lua/${name}.lua does not open with "-- TQ.NAME: what it does."`)
  const field = (label: string): string => {
    const line = lines.find((text) => text.startsWith(`-- ${label}: `))
    if (line === undefined) throw new Error(`lua/${name}.lua has no line "-- ${label}: …" in its header`)
    return line.slice(label.length + 5).trim()
  }
  return {
    command: first[1],
    summary: first[2],
    keys: field('KEYS')
      .split(', ')
      .map((part) => {
        const key = /^([a-z0-9:]+) \(([a-z]+)\)$/.exec(part)
        if (!key) throw new Error(`lua/${name}.lua: "${part}" in KEYS is not "name (type)"`)
        return { name: key[1], type: key[2] }
      }),
    argv: field('ARGV').split(', '),
    returns: field('RETURNS'),
    complexity: field('COMPLEXITY'),
  }
}
