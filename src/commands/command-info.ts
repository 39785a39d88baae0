// Reads the upstream's own COMMAND reply: what each command is and where its keys stand.

import type { Answer } from '../resp/answer.ts'

/** Where the search for keys begins. */
export type BeginSearch =
  | { type: 'index'; index: number }
  | { type: 'keyword'; keyword: string; startFrom: number }

/** How many keys follow, counted from where the search began. */
export type FindKeys =
  | { type: 'range'; lastKey: number; step: number; limit: number }
  | { type: 'keynum'; countIndex: number; firstKey: number; step: number }

/** One group of keys of a command, as in Redis's key specifications. */
export interface KeySpec {
  begin: BeginSearch
  find: FindKeys
  /** An empty argument there is no key: it says that the keys stand elsewhere. */
  unlessEmpty?: true
  /** Hashed as a key is, and none: the name of a shard channel. */
  notKey?: true
}

/** A command as the upstream describes it. */
export interface CommandInfo {
  /** Lower case; a subcommand is `container|name`. */
  name: string
  arity: number
  flags: ReadonlySet<string>
  keySpecs: readonly KeySpec[]
  /** Whether there may be keys that the specifications do not tell of. */
  keysUntold: boolean
  /** Without the `@`. */
  categories: ReadonlySet<string>
  subcommands: readonly CommandInfo[]
}

/** Reads the RESP2 reply of COMMAND. Entries that make no sense are left out rather than trusted. */
export function readCommandReply(reply: Answer): CommandInfo[] {
  if (!Array.isArray(reply)) return []
  return reply.map(readEntry).filter((info) => info !== null)
}

function readEntry(entry: Answer): CommandInfo | null {
  if (!Array.isArray(entry) || typeof entry[0] !== 'string' || typeof entry[1] !== 'number') return null
  const [name, arity, flags, first, last, step, categories, , keySpecs, subcommands] = entry
  const specs = Array.isArray(keySpecs)
    ? keySpecs.map(readKeySpec).filter((spec) => spec !== null)
    : legacyKeySpecs(Number(first), Number(last), Number(step))
  return {
    name: name.toLowerCase(),
    arity,
    flags: new Set(Array.isArray(flags) ? flags.map(String) : []),
    keySpecs: specs,
    keysUntold: Array.isArray(keySpecs) && keySpecs.some(isIncomplete),
    categories: new Set(
      Array.isArray(categories) ? categories.map((category) => String(category).replace(/^@/, '')) : [],
    ),
    subcommands: Array.isArray(subcommands) ? readCommandReply(subcommands) : [],
  }
}

/** Redis before 7.0 names the first key, the last, and the step alone. */
function legacyKeySpecs(first: number, last: number, step: number): KeySpec[] {
  if (!(first > 0)) return []
  const lastKey = last < 0 ? last : last - first
  return [{ begin: { type: 'index', index: first }, find: { type: 'range', lastKey, step, limit: 0 } }]
}

function flagsOf(spec: Map<string, Answer>): string[] {
  const flags = spec.get('flags')
  return Array.isArray(flags) ? flags.map(String) : []
}

function isIncomplete(reply: Answer): boolean {
  return readKeySpec(reply) === null || flagsOf(fields(reply)).includes('incomplete')
}

/** Null for the kind `unknown`, of which no position can be told. */
function readKeySpec(reply: Answer): KeySpec | null {
  const spec = fields(reply)
  const begin = fields(spec.get('begin_search') ?? null)
  const find = fields(spec.get('find_keys') ?? null)
  const beginSpec = fields(begin.get('spec') ?? null)
  const findSpec = fields(find.get('spec') ?? null)
  const number = (from: Map<string, Answer>, name: string): number => Number(from.get(name) ?? 0)
  let search: BeginSearch
  if (begin.get('type') === 'index') search = { type: 'index', index: number(beginSpec, 'index') }
  else if (begin.get('type') === 'keyword') {
    search = {
      type: 'keyword',
      keyword: String(beginSpec.get('keyword')).toLowerCase(),
      startFrom: number(beginSpec, 'startfrom'),
    }
  } else return null
  const notKey = flagsOf(spec).includes('not_key') ? { notKey: true as const } : {}
  if (find.get('type') === 'range') {
    return {
      ...notKey,
      begin: search,
      find: {
        type: 'range',
        lastKey: number(findSpec, 'lastkey'),
        step: Math.max(number(findSpec, 'keystep'), 1),
        limit: number(findSpec, 'limit'),
      },
    }
  }
  if (find.get('type') === 'keynum') {
    return {
      ...notKey,
      begin: search,
      find: {
        type: 'keynum',
        countIndex: number(findSpec, 'keynumidx'),
        firstKey: number(findSpec, 'firstkey'),
        step: Math.max(number(findSpec, 'keystep'), 1),
      },
    }
  }
  return null
}

/** A flat array of names and values as a map. */
function fields(reply: Answer): Map<string, Answer> {
  const map = new Map<string, Answer>()
  if (Array.isArray(reply))
    for (let i = 0; i + 1 < reply.length; i += 2) map.set(String(reply[i]), reply[i + 1])
  return map
}
