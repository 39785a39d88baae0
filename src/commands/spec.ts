// The shape of a TQ.* command's specification: data only, the one truth for syntax, docs, hints and routing.

/** One argument place. Syntax, ARGV layout, COMMAND DOCS and TQ.HELP all come from it. */
export interface ValueArg {
  readonly name: string
  /**
   * - `event`: the event id; decides the route and is never in ARGV (it is inside every key).
   * - `id`: 1 to 256 bytes, binary safe.
   * - `integer`: a whole number as Redis reads one.
   * - `flag`: the keyword alone; ARGV gets `1` or the empty string.
   * - `word`: one of `words`, in any case; ARGV gets it in upper case.
   * - `text`: any bytes up to 1,024 (a setting's value, a glob, a cursor).
   * - `pass`: a pass as an admission gave it, 1 to 2,048 bytes. Where passes are signed, ARGV gets the random
   *   part inside, once the signature was checked.
   * - `key`: another key of the event's slot; goes to KEYS behind the event's own, and its place in ARGV stays empty.
   */
  readonly type: 'event' | 'id' | 'integer' | 'flag' | 'word' | 'text' | 'pass' | 'key'
  /** The option's name on the wire, upper case, any case accepted: `DEDUPE` in `DEDUPE key`. */
  readonly keyword?: string
  readonly optional?: true
  /** One or more values follow; only for the last place of a command. */
  readonly multiple?: true
  /** With `multiple`: a value given twice is a syntax error. */
  readonly unique?: true
  /** Bounds of an integer as the client gives it; outside: `ERR value is not an integer or out of range`. */
  readonly min?: number
  readonly max?: number
  /** An integer is multiplied by this before it goes to ARGV (EX seconds become milliseconds). */
  readonly scale?: number
  readonly words?: readonly string[]
  /** The key where an optional `key` is not given; `*` stands for the event. */
  readonly fallback?: string
  /** The ARGV place to fill where it is not `name`: alternatives such as EX and PX share one. */
  readonly place?: string
}

/** Exactly one of the alternatives (none where it is optional). */
export interface OneOfArg {
  readonly name: string
  readonly type: 'oneof'
  readonly optional?: true
  readonly of: readonly Arg[]
}

/** Several places that belong together; with `multiple`, repeated to the end (`name value …`). */
export interface BlockArg {
  readonly name: string
  readonly type: 'block'
  readonly optional?: true
  readonly multiple?: true
  readonly of: readonly Arg[]
}

export type Arg = ValueArg | OneOfArg | BlockArg

/** The fixed keys of an event, by the name behind the last colon, in the order every script sees them. */
export const EVENT_KEYS = [
  'event',
  'line',
  'tickets',
  'users',
  'journal',
  'dedupe:0',
  'dedupe:1',
  'replay:0',
  'replay:1',
  'admitted',
  'inside',
  'seen',
  'seats',
  'holds',
  'stock',
] as const

/** What each of them is in Redis. */
export const EVENT_KEY_TYPES: Readonly<Record<EventKey, 'hash' | 'zset' | 'stream'>> = {
  event: 'hash',
  line: 'zset',
  tickets: 'hash',
  users: 'zset',
  journal: 'stream',
  'dedupe:0': 'hash',
  'dedupe:1': 'hash',
  'replay:0': 'hash',
  'replay:1': 'hash',
  admitted: 'zset',
  inside: 'zset',
  seen: 'zset',
  seats: 'hash',
  holds: 'zset',
  stock: 'hash',
}

export type EventKey = (typeof EVENT_KEYS)[number]

/**
 * An ARGV place that the proxy fills by itself.
 *
 * - `seed`: 22 unguessable characters, the same over the retries of one call. A pass is a digest of it and the
 *   token (`redis.sha1hex(seed .. token)`), so one seed serves any number of admissions.
 * - `signed`: `1` where passes are signed by the proxy, else empty. The script then tells what has to be signed:
 *   TQ.ENTER adds the user behind the fixed places of an ADMITTED reply, and the proxy takes it away again.
 * - `layout`: the journal that a new event gets: `event`, `user` or `none`.
 */
export type Extra = 'seed' | 'signed' | 'layout'

/** How a TQ command is carried out. */
export type Execution =
  /**
   * EVALSHA of `lua/<script>.lua`. ARGV: the request id first where the flags say `write`, then `extras`, then
   * every place of `args` in order (the event left out, an absent one as the empty string), a `multiple` place
   * last. With `userStream`, events with the journal `user` have one more key: the stream
   * `stream:event:{event}:user:<user>` of the argument `user`. A script that needs it and finds no such key says
   * `-NEEDSTREAM`, before it writes; the proxy then remembers that the event has that journal, and sends again.
   */
  | {
      readonly by: 'script'
      readonly script: string
      readonly keys: readonly EventKey[]
      readonly extras?: readonly Extra[]
      readonly userStream?: true
    }
  /** One plain Redis command on one of the event's keys, followed by the arguments after the event. */
  | { readonly by: 'command'; readonly command: string; readonly key: EventKey }
  /** Answered by the proxy itself. */
  | { readonly by: 'local' }

export type TqFlag = 'write' | 'readonly' | 'denyoom' | 'fast'

/** A TQ.* command. */
export interface TqSpec {
  /** Upper case, with the prefix: `TQ.ENQUEUE`. */
  readonly name: string
  /** One sentence, no full stop, as in COMMAND DOCS. */
  readonly summary: string
  readonly group: 'line' | 'admission' | 'seats' | 'operating'
  readonly since: string
  readonly complexity: string
  /** As Redis counts: the name included, negative for "at least". */
  readonly arity: number
  readonly flags: readonly TqFlag[]
  readonly args: readonly Arg[]
  readonly execution: Execution
  /** A reply whose first number is 0 says that nothing of the event is left; TQ.EVENTS then forgets it. */
  readonly purges?: true
  /** Each possible reply: its shape and when it is given. */
  readonly replies: readonly { readonly reply: string; readonly when: string }[]
  /** Errors of this command's own; those of every command (arity, syntax, BADEVENT…) are not repeated. */
  readonly errors: readonly { readonly error: string; readonly when: string }[]
  /** Rules a caller should know: a few sentences. */
  readonly notes?: readonly string[]
  /**
   * A session for the docs, as typed into redis-cli on an empty server; its replies are real ones. A line that
   * begins with `#` is a remark, `# sleep 1.5` besides waits so many seconds.
   */
  readonly example?: readonly string[]
}
