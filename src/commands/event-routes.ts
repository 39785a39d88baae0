// Knows of each event its slot, its keys as bytes, and the journal it gets when it is new.

import { createHash } from 'node:crypto'
import type { Request } from '../resp/request.ts'
import { keySlot } from '../routing/slots.ts'
import { EVENT_KEY_TYPES, EVENT_KEYS, type EventKey } from './spec.ts'
import { MAX_ID_BYTES } from './tq-arguments.ts'

/** The journal of an event: one stream, the gateway's stream per user besides, or none. */
export type JournalLayout = 'event' | 'user' | 'none'

/** Which journal new events get. */
export interface LayoutChoice {
  /** The layout of events that have a journal. */
  journalDefault: JournalLayout
  /** Percent of events that get it, the rest having none; null: all. */
  streamsRollout: number | null
}

/** The list of events that TQ.EVENTS reads. Both calls return at once; neither has to succeed. */
export interface EventRegistry {
  add(event: Buffer): void
  remove(event: Buffer): void
}

/** An event's route and keys as bytes, made once. */
export interface EventRoute {
  slot: number
  /** The event's id, one character a byte. */
  name: string
  event: Buffer
  /** The journal it gets if it is new. */
  layout: JournalLayout
  /** Whether it keeps a stream per user; null: not known here yet. */
  streams: boolean | null
  /** When its name was last written to the registry, as performance.now(); -Infinity: never. */
  announcedAt: number
  /** The keys of each list of key names, as bulk strings. */
  keys: Map<readonly EventKey[], Buffer>
}

/** Events that are kept ready; the oldest goes when there are more. */
const EVENTS_KEPT = 4096
/** The registry may have lost a name meanwhile: a flush, a failover, an event that was purged and came back. */
const ANNOUNCE_AGAIN_MS = 600_000

/** The routes of events. */
export class EventRoutes {
  private readonly prefix: string
  private readonly choice: LayoutChoice
  private readonly registry: EventRegistry
  private readonly routes = new Map<string, EventRoute>()

  /**
   * @param prefix what every key begins with, before the event's braces: `tq:`
   */
  constructor(prefix: string, choice: LayoutChoice, registry: EventRegistry) {
    this.prefix = prefix
    this.choice = choice
    this.registry = registry
  }

  /** The route of the event named by argument `index`; null where no event may be called so. */
  find(request: Request, index: number): EventRoute | null {
    const length = request.argLength(index)
    if (length === 0 || length > MAX_ID_BYTES) return null
    const name = request.text(index)
    const known = this.routes.get(name)
    if (known !== undefined) return known
    const event = Buffer.from(request.arg(index))
    for (const byte of event) if (byte < 32 || byte === 127 || byte === 123 || byte === 125) return null
    const layout = layoutOf(event, this.choice)
    const route: EventRoute = {
      slot: keySlot(event),
      name,
      event,
      layout,
      streams: isKnownToKeepStreams(layout),
      announcedAt: Number.NEGATIVE_INFINITY,
      keys: new Map(),
    }
    if (this.routes.size >= EVENTS_KEPT) {
      for (const oldest of this.routes.keys()) {
        this.routes.delete(oldest)
        break
      }
    }
    this.routes.set(name, route)
    return route
  }

  /** The bulk strings of the event's keys with these names. The list itself is the cache's key. */
  keysOf(route: EventRoute, names: readonly EventKey[]): Buffer {
    let bytes = route.keys.get(names)
    if (bytes === undefined) {
      const prefix = Buffer.from(`${this.prefix}{`)
      bytes = Buffer.concat(
        names.map((name) => bulk(Buffer.concat([prefix, route.event, Buffer.from(`}:${name}`)]))),
      )
      route.keys.set(names, bytes)
    }
    return bytes
  }

  /**
   * Commands that each make one of the event's keys, empty, where it is missing. While a slot is being moved, a
   * script with a missing key is refused by both nodes; a command with one key never is.
   */
  openingCommands(route: EventRoute): (string | Buffer)[][] {
    const prefix = Buffer.from(`${this.prefix}{`)
    return EVENT_KEYS.flatMap((name): (string | Buffer)[][] => {
      const key = Buffer.concat([prefix, route.event, Buffer.from(`}:${name}`)])
      if (EVENT_KEY_TYPES[name] === 'hash') return [['HSETNX', key, '', '']]
      if (EVENT_KEY_TYPES[name] === 'zset') return [['ZADD', key, 'NX', '-inf', '']]
      return [
        ['XGROUP', 'CREATE', key, 'opening', '0', 'MKSTREAM'],
        ['XGROUP', 'DESTROY', key, 'opening'],
      ]
    })
  }

  /** Notes that the event is being written to. */
  touch(route: EventRoute): void {
    const now = performance.now()
    if (now - route.announcedAt < ANNOUNCE_AGAIN_MS) return
    route.announcedAt = now
    this.registry.add(route.event)
  }

  /** Notes that nothing of the event is left. */
  forget(route: EventRoute): void {
    // The route itself stays: commands that are under way have it, and may yet learn something of the new event.
    route.streams = isKnownToKeepStreams(route.layout)
    route.announcedAt = Number.NEGATIVE_INFINITY
    this.registry.remove(route.event)
  }
}

/** Where new events get streams all have them, but for those that were set otherwise, which do not mind. */
function isKnownToKeepStreams(layout: JournalLayout): true | null {
  return layout === 'user' ? true : null
}

/** The same answer on every proxy with the same settings, so that one event never mixes layouts. */
function layoutOf(event: Buffer, { journalDefault, streamsRollout }: LayoutChoice): JournalLayout {
  if (streamsRollout === null) return journalDefault
  const share = createHash('sha1').update(event).digest().readUInt32BE(0) % 100
  return share < streamsRollout ? journalDefault : 'none'
}

/** Bytes as a bulk string. */
export function bulk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
}
