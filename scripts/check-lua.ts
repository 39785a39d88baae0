// Holds the headers of the Lua scripts and the command specs against each other, both ways.

import { readdirSync, readFileSync } from 'node:fs'
import { EVENT_KEY_TYPES, type EventKey, type TqSpec } from '../src/commands/spec.ts'
import { placeNames } from '../src/commands/tq-arguments.ts'
import { loadTqSpecs } from '../src/commands/tq-specs.ts'
import { loadScripts, type Script } from '../src/upstream/scripts.ts'

const faults: string[] = []
const specs = await loadTqSpecs()
const scripts = loadScripts()
const lua = new URL('../lua/', import.meta.url)

const used = new Set<string>()
for (const spec of specs.values()) {
  const { execution } = spec
  if (execution.by !== 'script') continue
  used.add(execution.script)
  const script = scripts.get(execution.script)
  if (script === undefined) {
    faults.push(`${spec.name} runs lua/${execution.script}.lua, and there is no such file.`)
  } else {
    compare(spec, [...execution.keys, ...foreignKeys(spec.args)], script)
  }
}
for (const name of scripts.keys()) {
  if (!used.has(name)) faults.push(`lua/${name}.lua is run by no command of src/commands/tq/.`)
}
checkHelpers()

for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exitCode = 1
else console.log(`${scripts.size} scripts and ${specs.size} specs agree.`)

function compare(spec: TqSpec, keys: readonly string[], script: Script): void {
  const file = `lua/${script.name}.lua`
  const { header } = script
  if (header.command !== spec.name) {
    faults.push(`${file} says it is ${header.command}, but ${spec.name} runs it.`)
  }
  const said = header.keys.map((key) => key.name)
  if (said.join() !== keys.join()) {
    faults.push(`${file} says KEYS ${said.join(', ')}; ${spec.name} sends ${keys.join(', ')}.`)
  }
  for (const { name, type } of header.keys) {
    const right = EVENT_KEY_TYPES[name as EventKey]
    if (foreignKeys(spec.args).includes(name)) continue
    if (right !== type)
      faults.push(`${file} says ${name} is a ${type}; it is ${right ?? 'no key of an event'}.`)
  }
  const argv = argvOf(spec).join(', ') || 'none'
  if (header.argv.join(', ') !== argv) {
    faults.push(`${file} says ARGV ${header.argv.join(', ')}; ${spec.name} sends ${argv}.`)
  }
  const writes = (spec.flags as readonly string[]).includes('write')
  const calls = /redis\.call\(\s*'(XADD|ZADD|ZREM|HSET|HDEL|HINCRBY|UNLINK|DEL|PEXPIRE)'/.exec(script.body)
  if (!writes && calls) faults.push(`${file} calls ${calls[1]}, but ${spec.name} is not flagged write.`)
  checkLocals(script, keys)
  checkCalls(script)
}

/** What is called by a bare name has to be Lua's own or defined in the script, helpers put in. */
function checkCalls(script: Script): void {
  const own = new Set(
    'if while and or not return function unpack select tonumber tostring type ipairs pairs pcall'.split(' '),
  )
  for (const [, names] of script.body.matchAll(/^ *local (?:function )?(\w+(?:, \w+)*)/gm)) {
    for (const name of names.split(', ')) own.add(name)
  }
  const text = script.body.replace(/'(?:[^'\\\n]|\\.)*'/g, "''")
  for (const [, name] of text.matchAll(/(?<![\w.:])([A-Za-z_]\w*) *\(/g)) {
    if (own.has(name)) continue
    own.add(name)
    faults.push(`lua/${script.name}.lua calls ${name}, which is defined nowhere in it.`)
  }
}

/** Keys that a client names itself: behind the event's own in KEYS. */
function foreignKeys(args: TqSpec['args']): string[] {
  return args.filter((arg) => arg.type === 'key').map((arg) => arg.name)
}

/** The names of ARGV in order; what repeats is one word that ends in "…". */
function argvOf(spec: TqSpec): string[] {
  const names = placeNames(spec)
  const width = tailWidth(spec.args)
  const tail = width === 0 ? [] : [`${names.slice(-width).join(' ')}…`]
  const first = (spec.flags as readonly string[]).includes('write') ? ['requestId'] : []
  return [...first, ...names.slice(0, names.length - width), ...tail]
}

function tailWidth(args: TqSpec['args']): number {
  for (const arg of args) {
    if ('multiple' in arg && arg.multiple) return arg.type === 'block' ? arg.of.length : 1
    const inner = 'of' in arg ? tailWidth(arg.of) : 0
    if (inner > 0) return inner
  }
  return 0
}

/** The locals that unpack KEYS and ARGV have to name what the header says, `_` for what is not used. */
function checkLocals(script: Script, keys: readonly string[]): void {
  const source = readFileSync(new URL(`${script.name}.lua`, lua), 'utf8')
  for (const [names, table] of [
    [keys.map((key) => key.replace(':', '')), 'KEYS'],
    [script.header.argv.map((name) => name.replace(/…$/, '')), 'ARGV'],
  ] as const) {
    const found = new RegExp(`^local (.+) = unpack\\(${table}\\)$`, 'm').exec(source)
    if (!found) continue
    found[1].split(', ').forEach((name, place) => {
      if (name !== '_' && name !== names[place]) {
        faults.push(`lua/${script.name}.lua names ${table}[${place + 1}] ${name}; it is ${names[place]}.`)
      }
    })
  }
}

function checkHelpers(): void {
  const uses = new Set<string>()
  for (const name of scripts.keys()) {
    const source = readFileSync(new URL(`${name}.lua`, lua), 'utf8')
    for (const [, helpers] of source.matchAll(/^ *-- USES: (.*)$/gm)) {
      for (const helper of helpers.split(',')) uses.add(helper.trim())
    }
  }
  for (const file of readdirSync(new URL('lib/', lua))) {
    if (!uses.has(file.replace('.lua', ''))) faults.push(`lua/lib/${file} is used by no script.`)
  }
}
