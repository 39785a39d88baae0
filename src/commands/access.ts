// What a user may do: which commands, and on which keys, channels and events.

import type { Request } from '../resp/request.ts'
import { takesEvent } from './command-docs.ts'
import { globMatches } from './glob.ts'
import { firstKeyOf, hasWord, lastKeyOf } from './keys.ts'
import type { ValueArg } from './spec.ts'
import type { CommandEntry } from './table.ts'

/** A user's rules, as the configuration file has them. */
export interface UserRules {
  name: string
  /** SHA-256 of the passwords in hex, lower case; any of them opens. */
  passwordSha256: string[]
  /** `+@all -@dangerous +config|get +tq.*`, read from left to right; what no rule speaks of is not allowed. */
  commands: string
  /** `~glob` or `allkeys`. */
  keys: string[]
  /** `&glob` or `allchannels`. */
  channels: string[]
  /** Globs. */
  events: string[]
}

const NO_KEY = 'NOPERM No permissions to access a key'
const NO_CHANNEL = 'NOPERM No permissions to access a channel'
const NO_EVENT = 'NOPERM No permissions to access an event'

/** One word of `commands`. */
interface Rule {
  allow: boolean
  matches: (entry: CommandEntry) => boolean
  /** What has to be known to the upstream: `@category` or a command; empty where nothing has to. */
  about: string
}

const CATEGORY = /^[+-]@([a-z0-9_-]+)$/
const TQ_GLOB = /^[+-](tq\.[a-z*?]*[*?][a-z*?]*)$/
const COMMAND = /^[+-]([a-z0-9_.:-]+)(?:\|([a-z0-9_-]+))?$/

/** Reads one word of rules (lower case); null where it is none. */
function readRule(word: string): Rule | null {
  const allow = word[0] === '+'
  if (word === 'allcommands') return { allow: true, matches: () => true, about: '' }
  if (word === 'nocommands') return { allow: false, matches: () => true, about: '' }
  const category = CATEGORY.exec(word)?.[1]
  if (category === 'all') return { allow, matches: () => true, about: '' }
  if (category !== undefined) {
    // A command of which nothing is known is never let in by a category, and kept out by every one.
    return {
      allow,
      matches: ({ categories }) => (categories === null ? !allow : categories.has(category)),
      about: `@${category}`,
    }
  }
  const glob = TQ_GLOB.exec(word)?.[1]
  if (glob !== undefined) return { allow, matches: ({ name }) => globMatches(glob, name), about: '' }
  const command = COMMAND.exec(word)
  if (command === null) return null
  const [, name, sub] = command
  if (sub !== undefined) {
    const full = `${name}|${sub}`
    return { allow, matches: (entry) => entry.name === full, about: full }
  }
  return {
    allow,
    matches: (entry) => entry.name === name || entry.name.startsWith(`${name}|`),
    about: name,
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

/** What is wrong with a user's rules: a sentence for each word that means nothing. */
export function problemsOf({ commands, keys, channels }: Omit<UserRules, 'passwordSha256'>): string[] {
  const bad = (list: readonly string[], good: (word: string) => boolean, takes: string): string[] =>
    list.filter((word) => !good(word)).map((word) => `${JSON.stringify(word)} is no rule, ${takes}`)
  return [
    ...bad(
      words(commands),
      (word) => readRule(word.toLowerCase()) !== null,
      'commands take +@category, -@category, +command, -command, +command|subcommand, +tq.*',
    ),
    ...bad(keys, (word) => word === 'allkeys' || /^~./.test(word), 'keys take ~glob or allkeys'),
    ...bad(
      channels,
      (word) => word === 'allchannels' || /^&./.test(word),
      'channels take &glob or allchannels',
    ),
  ]
}

/** The globs of a list, one character a byte; null: everything. */
function globsOf(list: readonly string[], everything: string): readonly string[] | null {
  if (list.includes(everything) || list.includes('~*') || list.includes('&*')) return null
  return list.map((word) => Buffer.from(word.replace(/^[~&]/, '')).toString('latin1'))
}

function matchesAny(globs: readonly string[] | null, text: string): boolean {
  return globs === null || globs.some((glob) => globMatches(glob, text))
}

/** Which arguments are channels: the first one, all, or all as patterns; the others name none. */
const CHANNELS: ReadonlyMap<string, 'first' | 'all' | 'patterns'> = new Map([
  ['publish', 'first'],
  ['spublish', 'first'],
  ['subscribe', 'all'],
  ['ssubscribe', 'all'],
  ['psubscribe', 'patterns'],
])

/** The rules of one user, ready to be asked. */
export class Access {
  private readonly rules: readonly Rule[]
  private readonly keys: readonly string[] | null
  private readonly channels: readonly string[] | null
  private readonly events: readonly string[] | null
  private readonly name: string
  /** What the rules say of each command; tables come and go with the upstream. */
  private readonly verdicts = new WeakMap<CommandEntry, boolean>()

  /** The rules must have no problems. */
  constructor({ name, commands, keys, channels, events }: UserRules) {
    this.name = name
    this.rules = words(commands.toLowerCase())
      .map(readRule)
      .filter((rule) => rule !== null)
    this.keys = globsOf(keys, 'allkeys')
    this.channels = globsOf(channels, 'allchannels')
    this.events = events.includes('*') ? null : globsOf(events, '*')
  }

  /** Categories (with `@`) and commands that the rules speak of. */
  get mentioned(): string[] {
    return this.rules.map(({ about }) => about).filter((about) => about !== '')
  }

  /** Why the user may not send this request, as an error's text; null where it may. */
  deny(entry: CommandEntry, request: Request): string | null {
    if (!this.allows(entry)) {
      return `NOPERM User ${this.name} has no permissions to run the '${entry.name}' command`
    }
    if (entry.tq !== null) return this.denyEvent(entry, request)
    if (this.keys !== null && !this.keysAllowed(entry, request)) return NO_KEY
    if (this.channels !== null && !this.channelsAllowed(entry, request)) return NO_CHANNEL
    return null
  }

  private allows(entry: CommandEntry): boolean {
    const known = this.verdicts.get(entry)
    if (known !== undefined) return known
    let allowed = false
    for (const rule of this.rules) if (rule.matches(entry)) allowed = rule.allow
    this.verdicts.set(entry, allowed)
    return allowed
  }

  private denyEvent({ tq }: CommandEntry, request: Request): string | null {
    const { spec } = tq!
    if (takesEvent(spec) && request.argc > 1 && !matchesAny(this.events, request.text(1))) return NO_EVENT
    const key = spec.args.find((arg): arg is ValueArg => arg.type === 'key')
    if (key === undefined || this.keys === null) return null
    // Whatever stands behind the word; that it is the option at all is found out later.
    const keyword = key.keyword!.toLowerCase()
    for (let i = 2; i + 1 < request.argc; i++) {
      if (request.text(i).toLowerCase() === keyword && !matchesAny(this.keys, request.text(i + 1))) {
        return NO_KEY
      }
    }
    return null
  }

  private keysAllowed(entry: CommandEntry, request: Request): boolean {
    if (entry.keysUntold) return false
    if ((entry.name === 'sort' || entry.name === 'sort_ro') && readsOtherKeys(request)) return false
    for (const spec of entry.keySpecs) {
      if (spec.notKey) continue
      const first = firstKeyOf(request, spec)
      if (first < 0) continue
      const last = lastKeyOf(request, spec, first)
      for (let i = first; i <= last; i += spec.find.step) {
        if (!matchesAny(this.keys, request.text(i))) return false
      }
    }
    return true
  }

  private channelsAllowed(entry: CommandEntry, request: Request): boolean {
    const kind = CHANNELS.get(entry.name)
    if (kind === undefined) return true
    const end = kind === 'first' ? Math.min(2, request.argc) : request.argc
    for (let i = 1; i < end; i++) {
      const name = request.text(i)
      // A pattern of the client's may be wider than any of ours that it matches, so it has to be one of them.
      const good = kind === 'patterns' ? this.channels!.includes(name) : matchesAny(this.channels, name)
      if (!good) return false
    }
    return true
  }
}

/** SORT's BY and GET make key names of the elements. */
function readsOtherKeys(request: Request): boolean {
  return hasWord(request, 'get', 2) || hasWord(request, 'by', 2)
}
