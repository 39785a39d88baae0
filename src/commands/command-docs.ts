// Describes TQ.* commands in the forms of COMMAND INFO, COMMAND DOCS and TQ.HELP.

import type { Reply } from '../resp/encode.ts'
import { tqCategories } from './categories.ts'
import type { Arg, TqSpec } from './spec.ts'

/** The syntax as one line, without the command's name: `event user token [DEDUPE key]`. */
export function syntaxLine(args: readonly Arg[]): string {
  return args.map(syntaxOf).join(' ')
}

function syntaxOf(arg: Arg): string {
  let text: string
  if (arg.type === 'oneof') text = arg.of.map(syntaxOf).join(' | ')
  else if (arg.type === 'block') text = syntaxLine(arg.of)
  else {
    const value = arg.type === 'word' ? arg.words!.join('|') : arg.name
    text = arg.type === 'flag' ? arg.keyword! : arg.keyword === undefined ? value : `${arg.keyword} ${value}`
  }
  if (arg.type !== 'oneof' && arg.multiple) text += arg.type === 'block' ? ' …' : ` [${arg.name} …]`
  if (arg.optional) return `[${text}]`
  return arg.type === 'oneof' ? `(${text})` : text
}

/** The entry of COMMAND and COMMAND INFO. */
export function commandInfo(spec: TqSpec): Reply {
  const event = takesEvent(spec)
  const write = spec.flags.includes('write')
  const categories = tqCategories(spec).map((category) => `@${category}`)
  return [
    spec.name.toLowerCase(),
    spec.arity,
    new Set(spec.flags),
    event ? 1 : 0,
    event ? 1 : 0,
    event ? 1 : 0,
    new Set(categories),
    new Set(),
    new Set(event ? [keySpec(write)] : []),
    new Set(),
  ]
}

/** The value under the command's name in COMMAND DOCS. */
export function commandDocs(spec: TqSpec): Reply {
  return new Map<string, Reply>([
    ['summary', spec.summary],
    ['since', spec.since],
    ['group', 'tq'],
    ['complexity', spec.complexity],
    ['arguments', spec.args.map(argumentDocs)],
  ])
}

/** The text of TQ.HELP for one command: lines. */
export function helpText(spec: TqSpec): string[] {
  const lines = [`${spec.name} ${syntaxLine(spec.args)}`.trimEnd(), `    ${spec.summary}.`]
  for (const { reply, when } of spec.replies) lines.push(`    ${reply}`, `        ${when}`)
  for (const { error, when } of spec.errors) lines.push(`    -${error}`, `        ${when}`)
  for (const note of spec.notes ?? []) lines.push(`    ${note}`)
  return lines
}

/** Whether the first argument is the event, which routes the command. */
export function takesEvent(spec: TqSpec): boolean {
  return spec.args[0]?.type === 'event'
}

/** What a command does to the key that its event stands for, in the words of COMMAND GETKEYSANDFLAGS. */
export function keyFlags(write: boolean): string[] {
  return write ? ['RW', 'access', 'update'] : ['RO', 'access']
}

/** The event stands where a key would, so that clients in cluster mode hash it. */
function keySpec(write: boolean): Reply {
  return new Map<string, Reply>([
    ['flags', new Set(keyFlags(write))],
    ['begin_search', searchPart('index', new Map([['index', 1]]))],
    [
      'find_keys',
      searchPart(
        'range',
        new Map([
          ['lastkey', 0],
          ['keystep', 1],
          ['limit', 0],
        ]),
      ),
    ],
  ])
}

function searchPart(type: string, spec: Map<string, number>): Reply {
  return new Map<string, Reply>([
    ['type', type],
    ['spec', spec],
  ])
}

/** Redis's names for the types of arguments, where they are not strings. */
const DOCS_TYPES: ReadonlyMap<string, string> = new Map([
  ['event', 'key'],
  ['integer', 'integer'],
  ['flag', 'pure-token'],
])

function argumentDocs(arg: Arg): Reply {
  const docs = new Map<string, Reply>([['name', arg.name]])
  const flags = new Set<string>()
  if (arg.optional) flags.add('optional')
  if (arg.type === 'oneof' || arg.type === 'block') {
    docs.set('type', arg.type)
    if (arg.type === 'block' && arg.multiple) flags.add('multiple')
    if (flags.size > 0) docs.set('flags', flags)
    docs.set('arguments', arg.of.map(argumentDocs))
    return docs
  }
  if (arg.multiple) flags.add('multiple')
  if (arg.type === 'word') {
    docs.set('type', 'oneof')
    if (arg.keyword !== undefined) docs.set('token', arg.keyword)
    if (flags.size > 0) docs.set('flags', flags)
    docs.set(
      'arguments',
      arg.words!.map(
        (word) =>
          new Map<string, Reply>([
            ['name', word.toLowerCase()],
            ['type', 'pure-token'],
            ['token', word],
          ]),
      ),
    )
    return docs
  }
  docs.set('type', DOCS_TYPES.get(arg.type) ?? 'string')
  if (arg.type === 'event') docs.set('key_spec_index', 0)
  if (arg.keyword !== undefined) docs.set('token', arg.keyword)
  if (flags.size > 0) docs.set('flags', flags)
  return docs
}
