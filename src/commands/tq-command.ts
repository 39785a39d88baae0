// Turns a TQ.* request into the bytes that go to the shard of its event.

import { randomBytes } from 'node:crypto'
import type { Request } from '../resp/request.ts'
import { keySlot } from '../routing/slots.ts'
import type { Script } from '../upstream/scripts.ts'
import { type Plan, refuse, relayWire } from './plan.ts'
import type { EventKey, TqSpec } from './spec.ts'
import { compileSyntax, MAX_ID_BYTES, type Place, parseArguments, type Syntax } from './tq-arguments.ts'

const BAD_EVENT = 'BADEVENT event ids have 1 to 256 bytes and no braces or control characters'

/** Events whose keys are kept ready; the oldest goes when there are more. */
const EVENTS_KEPT = 4096

/** An event's route and keys as bytes, made once. */
interface EventRoute {
  slot: number
  event: Buffer
  /** The keys of each list of key names, as bulk strings. */
  keys: Map<readonly EventKey[], Buffer>
}

/** The keys of events, ready to be sent. */
export class EventRoutes {
  private readonly prefix: string
  private readonly routes = new Map<string, EventRoute>()

  /** @param prefix what every key begins with, before the event's braces: `tq:`. */
  constructor(prefix: string) {
    this.prefix = prefix
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
    const route: EventRoute = { slot: keySlot(event), event, keys: new Map() }
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
}

/** First byte of the id of a request that was never sent before. */
const FIRST_ATTEMPT = '1'
/** Tells this proxy's request ids from those of others. */
const PROXY_ID = randomBytes(6).toString('base64url')
const EMPTY_BULK = Buffer.from('$0\r\n\r\n')
let requestCount = 0

/** One TQ.* command, ready to plan requests. */
export class TqCommand {
  readonly spec: TqSpec
  readonly syntax: Syntax
  /** What precedes the keys on the wire, without the count of arguments. */
  private readonly opening: Buffer
  private readonly script: Script | null
  private readonly write: boolean
  private readonly routes: EventRoutes
  private readonly keys: readonly EventKey[]

  /** @throws where the specification names a script that is not there. */
  constructor(spec: TqSpec, scripts: ReadonlyMap<string, Script>, routes: EventRoutes) {
    const { execution } = spec
    this.spec = spec
    this.syntax = compileSyntax(spec)
    this.routes = routes
    this.write = spec.flags.includes('write')
    this.script = null
    this.keys = []
    this.opening = Buffer.alloc(0)
    if (execution.by === 'script') {
      const script = scripts.get(execution.script)
      if (script === undefined) throw new Error(`${spec.name}: there is no script ${execution.script}`)
      this.script = script
      this.keys = execution.keys
      this.opening = Buffer.concat(
        ['EVALSHA', script.sha, String(execution.keys.length)].map((word) => bulk(Buffer.from(word))),
      )
    } else if (execution.by === 'command') {
      this.keys = [execution.key]
      this.opening = bulk(Buffer.from(execution.command))
    }
  }

  /** Plans a request of this command. */
  plan(request: Request): Plan {
    const { spec, script } = this
    if (spec.arity > 0 ? request.argc !== spec.arity : request.argc < -spec.arity) {
      return refuse(`ERR wrong number of arguments for '${spec.name.toLowerCase()}' command`)
    }
    const route = this.routes.find(request, 1)
    if (route === null) return refuse(BAD_EVENT)
    const places = parseArguments(this.syntax, request)
    if (typeof places === 'string') return refuse(places)
    const withId = script !== null && this.write
    const keys = this.routes.keysOf(route, this.keys)
    const words = (script === null ? 1 : 3) + this.keys.length + (withId ? 1 : 0) + places.length
    const count = `*${words}\r\n`
    const id = withId ? requestId() : ''
    let length = count.length + this.opening.length + keys.length + id.length
    for (const place of places) length += placeLength(place)
    const wire = Buffer.allocUnsafe(length)
    let at = wire.write(count, 0, 'latin1')
    at += this.opening.copy(wire, at)
    at += keys.copy(wire, at)
    let requestIdAt = -1
    if (withId) {
      requestIdAt = at + id.indexOf('\n') + 1
      at += wire.write(id, at, 'latin1')
    }
    at = writePlaces(places, request, wire, at)
    return relayWire(route.slot, this.write, wire, script, requestIdAt)
  }
}

/** A fresh request id as a bulk string; at most 20 bytes behind the mark of the attempt. */
function requestId(): string {
  requestCount = (requestCount + 1) % Number.MAX_SAFE_INTEGER
  const id = `${FIRST_ATTEMPT}${PROXY_ID}${requestCount.toString(36)}`
  return `$${id.length}\r\n${id}\r\n`
}

function placeLength(place: Place): number {
  if (typeof place !== 'string') return place.to - place.from
  if (place === '') return EMPTY_BULK.length
  // Texts of ours are ASCII: numbers, words, flags.
  return place.length + String(place.length).length + 5
}

function writePlaces(places: readonly Place[], request: Request, wire: Buffer, from: number): number {
  let at = from
  for (let i = 0; i < places.length; i++) {
    const place = places[i]
    if (typeof place === 'string') {
      if (place === '') at += EMPTY_BULK.copy(wire, at)
      else at += wire.write(`$${place.length}\r\n${place}\r\n`, at, 'latin1')
      continue
    }
    // Values that stand side by side in the request are copied together.
    let { to } = place
    for (let next = places[i + 1]; typeof next === 'object' && next.from === to; next = places[i + 1]) {
      to = next.to
      i++
    }
    at += request.head.copy(wire, at, place.from, to)
  }
  return at
}

function bulk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
}
