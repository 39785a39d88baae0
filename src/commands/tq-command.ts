// Turns a TQ.* request into the bytes that go to the shard of its event.

import { randomBytes } from 'node:crypto'
import { asEval } from '../resp/eval-form.ts'
import type { Request } from '../resp/request.ts'
import { keySlot } from '../routing/slots.ts'
import type { Script } from '../upstream/scripts.ts'
import { bulk, type EventRoute, type EventRoutes } from './event-routes.ts'
import { PLAN_ANSWER, PLAN_RELAY, type Plan, planLater, refuse, relayWire } from './plan.ts'
import type { SessionState } from './session-state.ts'
import { EVENT_KEYS, type EventKey, type Extra, type TqSpec, type ValueArg } from './spec.ts'
import { compileSyntax, type Place, parseArguments, placeNames, type Syntax } from './tq-arguments.ts'
import { looksSigned, type PassSigner, signReply } from './tq-passes.ts'

const BAD_EVENT = 'BADEVENT event ids have 1 to 256 bytes and no braces or control characters'

/** First byte of the id of a request that was never sent before. */
const FIRST_ATTEMPT = '1'
/** Tells this proxy's request ids from those of others. */
const PROXY_ID = randomBytes(6).toString('base64url')
const NOTHING_LEFT = Buffer.from('*2\r\n:0\r\n')
/** Replies to a join that only an event gives in which something has happened: its journal stays what it is. */
const JOINED = /^\*3\r\n\$\d\r\n(QUEUED|DUPLICATE)/
const EMPTY_BULK = Buffer.from('$0\r\n\r\n')
/** 16 random bytes: as hard to guess as a key. */
const SEED_BYTES = 16
/** A pass that no script knows: what a forged one is taken for. */
const NO_PASS = '-'
const CROSS_SLOT_KEY = "CROSSSLOT Keys in request don't hash to the same slot"
const LF = 10
let requestCount = 0

/** A key besides the event's own: its place among the arguments, and its name where none is given. */
interface OtherKey {
  place: number
  fallback: string
}

/** One TQ.* command, ready to plan requests. */
export class TqCommand {
  readonly spec: TqSpec
  readonly syntax: Syntax
  private readonly routes: EventRoutes
  private readonly signer: PassSigner | null
  /** What precedes the keys on the wire, without the count of arguments. */
  private readonly opening: Buffer
  private readonly openingWithExtra: Buffer
  private readonly script: Script | null = null
  private readonly write: boolean
  private readonly keys: readonly EventKey[] = []
  private readonly extras: readonly Extra[] = []
  private readonly userStream: boolean = false
  /** Whether the script makes the event's keys where there are none. */
  private readonly makesKeys: boolean
  private readonly otherKey: OtherKey | null
  /** Which places are a pass, a user and a token; -1: there is none. */
  private readonly passPlace: number
  private readonly userPlace: number
  private readonly tokenPlace: number

  /** @throws where the specification names a script that is not there. */
  constructor(
    spec: TqSpec,
    scripts: ReadonlyMap<string, Script>,
    routes: EventRoutes,
    signer: PassSigner | null,
  ) {
    const { execution } = spec
    this.spec = spec
    this.syntax = compileSyntax(spec)
    this.routes = routes
    this.signer = signer
    this.write = spec.flags.includes('write')
    this.opening = this.openingWithExtra = Buffer.alloc(0)
    if (execution.by === 'script') {
      const script = scripts.get(execution.script)
      if (script === undefined) throw new Error(`${spec.name}: there is no script ${execution.script}`)
      this.script = script
      this.keys = execution.keys
      this.extras = execution.extras ?? []
      this.userStream = execution.userStream === true
      const opening = (keyCount: number): Buffer =>
        Buffer.concat(['EVALSHA', script.sha, String(keyCount)].map((word) => bulk(Buffer.from(word))))
      this.opening = opening(this.keys.length)
      this.openingWithExtra = opening(this.keys.length + 1)
    } else if (execution.by === 'command') {
      this.keys = [execution.key]
      this.opening = bulk(Buffer.from(execution.command))
    }
    this.makesKeys = this.write && this.keys.length === EVENT_KEYS.length
    const names = placeNames(spec).slice(this.extras.length)
    const key = spec.args.find((arg): arg is ValueArg => arg.type === 'key')
    this.otherKey =
      key === undefined ? null : { place: names.indexOf(key.name), fallback: key.fallback ?? '' }
    this.passPlace = names.indexOf('pass')
    this.userPlace = names.indexOf('user')
    this.tokenPlace = names.indexOf('token')
  }

  /** Plans a request of this command. */
  plan(request: Request, session: SessionState, queued = false): Plan {
    const { spec } = this
    if (spec.arity > 0 ? request.argc !== spec.arity : request.argc < -spec.arity) {
      return refuse(`ERR wrong number of arguments for '${spec.name.toLowerCase()}' command`)
    }
    const route = this.routes.find(request, 1)
    if (route === null) return refuse(BAD_EVENT)
    const places = parseArguments(this.syntax, request)
    if (typeof places === 'string') return refuse(places)
    if (this.write) this.routes.touch(route)
    const plan = (): Plan => {
      const relayed = this.planWire(request, route, places)
      if (this.signer !== null && this.extras.includes('signed')) {
        const { signer, tokenPlace } = this
        const token = tokenPlace < 0 ? null : bytesOf(places[tokenPlace], request).toString()
        const { protocol } = session
        relayed.rewrite = (frame) => signReply(frame, route.event.toString(), token, signer, protocol)
      }
      return relayed
    }
    // The first join that this proxy sees of an event may have to be sent again, with one more key. What the client
    // has sent behind it waits, or it would be served first.
    if (this.userStream && route.streams === null && !queued) {
      const first = plan()
      first.rewrite = (frame) => {
        if (JOINED.test(frame.toString('latin1', 0, 20))) route.streams ??= false
        return frame
      }
      return planLater(route.slot, this.write, Promise.resolve(first))
    }
    if (this.signer === null || this.passPlace < 0) return plan()
    const pass = bytesOf(places[this.passPlace], request).toString()
    if (!looksSigned(pass)) return plan()
    const open = async (): Promise<Plan> => {
      const inside = await this.signer!.open(pass, route.event.toString())
      const opened = [...places]
      opened[this.passPlace] = inside ?? NO_PASS
      return this.planWire(request, route, opened)
    }
    return planLater(route.slot, this.write, open())
  }

  /**
   * Plans a request inside MULTI. The script's text goes there, not its digest: a NOSCRIPT in the middle would
   * leave the transaction half done.
   */
  planQueued(request: Request, session: SessionState): Plan {
    const plan = this.plan(request, session, true)
    if (plan.kind === PLAN_ANSWER) return plan
    if (plan.kind !== PLAN_RELAY || (plan.rewrite !== null && !this.spec.purges)) {
      return refuse(`ERR '${this.spec.name}' with signed passes cannot be used inside MULTI`)
    }
    if (plan.script !== null) plan.wire = asEval(plan.wire!, 0, plan.wire!.length, plan.script)
    return plan
  }

  private planWire(request: Request, route: EventRoute, given: readonly Place[]): Plan {
    let places = given
    const { script } = this
    const withId = script !== null && this.write
    let keys = this.routes.keysOf(route, this.keys)
    let extraKey: Buffer | null = null
    if (this.otherKey !== null) {
      extraKey = this.otherKeyOf(this.otherKey, route, places, request)
      if (keySlot(extraKey) !== route.slot) return refuse(CROSS_SLOT_KEY)
      places = places.with(this.otherKey.place, '')
    } else if (this.userStream && route.streams) extraKey = this.streamKey(route, places, request)
    const hasExtraKey = extraKey !== null
    if (extraKey !== null) keys = Buffer.concat([keys, bulk(extraKey)])
    const words =
      (script === null ? 1 : 3) +
      this.keys.length +
      (hasExtraKey ? 1 : 0) +
      (withId ? 1 : 0) +
      this.extras.length +
      places.length
    const count = `*${words}\r\n`
    const id = withId ? requestId() : ''
    let ours = id
    for (const extra of this.extras) ours += this.extraBulk(extra, route)
    const opening = hasExtraKey ? this.openingWithExtra : this.opening
    let length = count.length + opening.length + keys.length + ours.length
    for (const place of places) length += placeLength(place)
    const wire = Buffer.allocUnsafe(length)
    let at = wire.write(count, 0, 'latin1')
    at += opening.copy(wire, at)
    at += keys.copy(wire, at)
    const requestIdAt = withId ? at + id.indexOf('\n') + 1 : -1
    at += wire.write(ours, at, 'latin1')
    writePlaces(places, request, wire, at)
    const plan = relayWire(route.slot, this.write, wire, script, requestIdAt)
    if (this.makesKeys) plan.event = route
    if (this.spec.purges) {
      plan.rewrite = (frame) => {
        if (frame.indexOf(NOTHING_LEFT) === 0) this.routes.forget(route)
        return frame
      }
    }
    return plan
  }

  private extraBulk(extra: Extra, route: EventRoute): string {
    if (extra === 'layout') return bulkText(route.layout)
    if (extra === 'signed') return bulkText(this.signer === null ? '' : '1')
    return bulkText(randomBytes(SEED_BYTES).toString('base64url'))
  }

  /** The key that the caller named besides the event, or what it is called where none was named. */
  private otherKeyOf(
    { place, fallback }: OtherKey,
    route: EventRoute,
    places: readonly Place[],
    request: Request,
  ): Buffer {
    const given = bytesOf(places[place], request)
    return given.length > 0 ? given : Buffer.from(fallback.replace('*', route.name), 'latin1')
  }

  /** The gateway's key of a user's stream. */
  private streamKey(route: EventRoute, places: readonly Place[], request: Request): Buffer {
    const user = bytesOf(places[this.userPlace], request)
    return Buffer.concat([Buffer.from('stream:event:{'), route.event, Buffer.from('}:user:'), user])
  }
}

/** A fresh request id as a bulk string; at most 20 bytes behind the mark of the attempt. */
function requestId(): string {
  requestCount = (requestCount + 1) % Number.MAX_SAFE_INTEGER
  return bulkText(`${FIRST_ATTEMPT}${PROXY_ID}${requestCount.toString(36)}`)
}

/** ASCII text of ours as a bulk string. */
function bulkText(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}

function bytesOf(place: Place, request: Request): Buffer {
  if (typeof place === 'string') return Buffer.from(place)
  return request.head.subarray(request.head.indexOf(LF, place.from) + 1, place.to - 2)
}

function placeLength(place: Place): number {
  if (typeof place !== 'string') return place.to - place.from
  if (place === '') return EMPTY_BULK.length
  // Texts of ours are ASCII: numbers, words, flags.
  return place.length + String(place.length).length + 5
}

function writePlaces(places: readonly Place[], request: Request, wire: Buffer, from: number): void {
  let at = from
  for (let i = 0; i < places.length; i++) {
    const place = places[i]
    if (typeof place === 'string') {
      at += place === '' ? EMPTY_BULK.copy(wire, at) : wire.write(bulkText(place), at, 'latin1')
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
}
