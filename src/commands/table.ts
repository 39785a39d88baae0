// The table of all commands: the upstream's, the proxy's own answers, and TQ.*.

import { ownCategories, tqCategories } from './categories.ts'
import type { CommandInfo, KeySpec } from './command-info.ts'
import { EVERYWHERE } from './gather.ts'
import { aclCommands } from './local/acl.ts'
import { clientCommands } from './local/client.ts'
import { clusterCommands } from './local/cluster.ts'
import { commandCommands } from './local/command.ts'
import { connectionCommands } from './local/connection.ts'
import type { LocalCommand, LocalCommands } from './local/environment.ts'
import { eventsCommands } from './local/events.ts'
import { helpCommands } from './local/help.ts'
import { infoCommands } from './local/info.ts'
import { pubsubCommands } from './local/pubsub.ts'
import { NameTable } from './name-table.ts'
import type { TqSpec } from './spec.ts'
import type { TqCommand } from './tq-command.ts'

/** Relayed by its one key, at a fixed place. */
export const BY_KEY = 0
/** Relayed by several keys, or a key whose place has to be searched for. */
export const BY_KEYS = 1
/** Relayed to any master. */
export const ANY_MASTER = 2
export const LOCAL = 3
export const TQ = 4
export const REFUSED = 5
/** Relayed to every master, the replies merged. */
export const ALL_MASTERS = 6
/** SCAN, one master after the other. */
export const SCAN = 7
/** MULTI, EXEC, DISCARD, WATCH, UNWATCH: about the commands around them. */
export const TRANSACTION = 8
/** PUBLISH: the same node for all who publish to a channel, so that its messages keep their order. */
export const PUBLISH = 9

/** What the planner knows of a command. All entries have the same fields. */
export interface CommandEntry {
  /** Lower case; a subcommand is `container|name`. */
  name: string
  kind: number
  write: boolean
  /** BY_KEY: which argument is the key. */
  keyIndex: number
  /** BY_KEY, BY_KEYS */
  keySpecs: readonly KeySpec[]
  /** Whether there may be keys that these do not tell of. */
  keysUntold: boolean
  /** As Redis counts: the name included, negative for "at least"; 0: not known. */
  arity: number
  /** BY_KEYS: whether it waits: never, always, or where the word BLOCK is among its arguments. */
  blocks: 'never' | 'always' | 'by word'
  /** REFUSED: the error text. */
  refusal: string
  local: LocalCommand | null
  tq: TqCommand | null
  beforeAuth: boolean
  /** Without the `@`; null: not known. */
  categories: ReadonlySet<string> | null
  subcommands: NameTable<CommandEntry> | null
}

/** Commands without keys that any one master can answer for all. */
const ANY_MASTER_NAMES = new Set(['time', 'lolwut', 'config|get', 'acl|genpass'])

const NEEDS_OWN_CONNECTION = 'it needs a connection of its own'
const NEEDS_ALL_MASTERS = 'it needs all masters'

/** What does not pass yet, by what stands in the way. Names lower case. */
const REFUSED_NAMES = new Map([
  ['wait', NEEDS_OWN_CONNECTION],
  ['waitaof', NEEDS_OWN_CONNECTION],
])

const TRANSACTION_NAMES = new Set(['multi', 'exec', 'discard', 'watch', 'unwatch'])

/** Tells that a command does not pass. */
function notSupported(name: string, reason: string): string {
  return `ERR '${name.replace('|', ' ')}' is not supported through tq-proxy: ${reason}`
}

function entry(name: string, fields: Partial<CommandEntry>): CommandEntry {
  return {
    name,
    kind: REFUSED,
    write: false,
    keyIndex: 0,
    keySpecs: [],
    keysUntold: false,
    arity: 0,
    blocks: 'never',
    refusal: '',
    local: null,
    tq: null,
    beforeAuth: false,
    categories: null,
    subcommands: null,
    ...fields,
  }
}

const LOCALS: LocalCommands = new Map([
  ...aclCommands,
  ...connectionCommands,
  ...clientCommands,
  ...infoCommands,
  ...commandCommands,
  ...clusterCommands,
  ...helpCommands,
  ...eventsCommands,
  ...pubsubCommands,
])

/** What the operator decided. */
export interface TableOptions {
  /** Whether commands of administration pass, to all masters. */
  allowAdmin: boolean
}

/**
 * Builds the table.
 * @param upstream what the upstream says of its commands; null while it has not been reached
 */
export function buildTable(
  upstream: readonly CommandInfo[] | null,
  tqCommands: readonly TqCommand[],
  { allowAdmin }: TableOptions = { allowAdmin: false },
): NameTable<CommandEntry> {
  const entries = new Map<string, CommandEntry>()
  for (const info of upstream ?? []) entries.set(info.name, upstreamEntry(info, allowAdmin))
  for (const [name, local] of LOCALS) {
    if (!name.includes('|')) entries.set(name, localEntry(name, local, entries.get(name)))
  }
  addSubcommands(entries, upstream ?? [], allowAdmin)
  for (const command of tqCommands) {
    const name = command.spec.name.toLowerCase()
    const known = command.spec.execution.by === 'local' ? entries.get(name)! : entry(name, { kind: TQ })
    known.tq = command
    known.categories = new Set(tqCategories(command.spec))
    entries.set(name, known)
  }
  return new NameTable(entries)
}

/** Every word that rules of users may speak of: commands, subcommands, and categories with their `@`. */
export function knownWords(upstream: readonly CommandInfo[], specs: Iterable<TqSpec>): Set<string> {
  const words = new Set<string>([...LOCALS.keys(), '@tq'])
  for (const info of upstream.flatMap((one) => [one, ...one.subcommands])) {
    words.add(info.name)
    for (const category of info.categories) words.add(`@${category}`)
  }
  for (const spec of specs) words.add(spec.name.toLowerCase())
  return words
}

function localEntry(name: string, local: LocalCommand, upstream: CommandEntry | undefined): CommandEntry {
  const categories = upstream?.categories ?? ownCategories(name)
  return entry(name, { kind: LOCAL, local, beforeAuth: local.beforeAuth === true, categories })
}

/** Gives each container its subcommands: the upstream's and those answered here. */
function addSubcommands(
  entries: Map<string, CommandEntry>,
  upstream: readonly CommandInfo[],
  allowAdmin: boolean,
): void {
  const containers = new Map<string, Map<string, CommandEntry>>()
  const add = (sub: CommandEntry): void => {
    const [container, name] = sub.name.split('|')
    if (!containers.has(container)) containers.set(container, new Map())
    containers.get(container)!.set(name, sub)
  }
  for (const info of upstream) for (const sub of info.subcommands) add(upstreamEntry(sub, allowAdmin))
  for (const [name, local] of LOCALS) {
    if (!name.includes('|')) continue
    const [container, sub] = name.split('|')
    add(localEntry(name, local, containers.get(container)?.get(sub)))
  }
  for (const [container, subcommands] of containers) {
    const existing =
      entries.get(container) ?? entry(container, { refusal: notSupported(container, NEEDS_ALL_MASTERS) })
    existing.subcommands = new NameTable(subcommands)
    entries.set(container, existing)
  }
}

function upstreamEntry(info: CommandInfo, allowAdmin: boolean): CommandEntry {
  const found = kindOf(info, allowAdmin)
  found.categories = info.categories
  found.keysUntold = info.keysUntold && !AMENDED.has(info.name)
  return found
}

function kindOf(info: CommandInfo, allowAdmin: boolean): CommandEntry {
  const { name, arity, flags, keySpecs } = info
  const write = !flags.has('readonly')
  if (ANY_MASTER_NAMES.has(name) || name.endsWith('|help'))
    return entry(name, { kind: ANY_MASTER, arity: info.arity })
  const refuseBecause = (reason: string): CommandEntry => entry(name, { refusal: notSupported(name, reason) })
  const named = REFUSED_NAMES.get(name)
  if (named !== undefined) return refuseBecause(named)
  if (TRANSACTION_NAMES.has(name)) return entry(name, { kind: TRANSACTION, arity, keySpecs })
  if (name.startsWith('cluster|')) {
    // What is not answered here would change the cluster behind the proxy.
    return entry(name, { refusal: `NOPERM '${name.replace('|', ' ')}' is not allowed through tq-proxy` })
  }
  if (name === 'publish') return entry(name, { kind: PUBLISH, write, arity })
  if (EVERYWHERE.has(name)) return entry(name, { kind: ALL_MASTERS, write })
  if (name === 'scan') return entry(name, { kind: SCAN })
  if (flags.has('admin') && !(allowAdmin && passesAsAdmin(info))) {
    return entry(name, {
      refusal: `NOPERM '${name.replace('|', ' ')}' is not allowed through tq-proxy`,
    })
  }
  if (flags.has('admin') && keySpecs.length === 0)
    return entry(name, { kind: ALL_MASTERS, write: true, arity })
  if (keySpecs.length === 0) return refuseBecause(NEEDS_ALL_MASTERS)
  const specs = amended(name, keySpecs)
  if (flags.has('blocking')) {
    // Streams are read without waiting unless BLOCK says so; all others wait by nature.
    const blocks = name.startsWith('xread') ? 'by word' : 'always'
    return entry(name, { kind: BY_KEYS, write, arity, keySpecs: specs, blocks })
  }
  const only = specs.length === 1 ? specs[0] : null
  if (only?.begin.type === 'index' && only.find.type === 'range' && only.find.lastKey === 0) {
    return entry(name, { kind: BY_KEY, write, arity, keyIndex: only.begin.index, keySpecs: specs })
  }
  return entry(name, { kind: BY_KEYS, write, arity, keySpecs: specs })
}

/**
 * Admin commands that stay out even where administration is allowed: they are about one node, or its place in the
 * cluster, or the connection that they come over, which is all clients'.
 */
const NEVER_ADMIN = new Set([
  'shutdown',
  'replicaof',
  'slaveof',
  'failover',
  'sync',
  'psync',
  'replconf',
  'monitor',
  'cluster',
  'client',
  // The users of this proxy are in its configuration file; ACL shows those.
  'acl',
])

function passesAsAdmin({ name }: CommandInfo): boolean {
  return !NEVER_ADMIN.has(name.split('|')[0])
}

/** Whose keys `amended` completes. */
const AMENDED = new Set(['sort', 'sort_ro', 'migrate'])

/** Key specifications where Redis's own do not tell all. */
function amended(name: string, specs: readonly KeySpec[]): readonly KeySpec[] {
  if (name === 'sort' || name === 'sort_ro') return [...specs, SORT_STORE]
  if (name === 'migrate') return specs.map((spec, i) => (i === 0 ? { ...spec, unlessEmpty: true } : spec))
  return specs
}

/** SORT's destination, which its key specifications leave open. */
const SORT_STORE: KeySpec = {
  begin: { type: 'keyword', keyword: 'store', startFrom: 2 },
  find: { type: 'range', lastKey: 0, step: 1, limit: 0 },
}
