// SUBSCRIBE and its family, and PUBSUB.

import { encodeReply, type Reply } from '../../resp/encode.ts'
import { CHANNEL, PATTERN, SHARD, type TopicKind } from '../../resp/pubsub.ts'
import { frameElements } from '../../resp/reply-frames.ts'
import type { Request } from '../../resp/request.ts'
import { gatherEverywhere } from '../gather.ts'
import { slotOfArg } from '../keys.ts'
import { type Plan, planGather, refuse } from '../plan.ts'
import type { Environment, LocalCommands, LocalHandler } from './environment.ts'

const CROSSSLOT = "CROSSSLOT Keys in request don't hash to the same slot"

/** What a RESP2 client that has subscriptions may send; any other reply would look like a message. */
export const WHILE_SUBSCRIBED: ReadonlySet<string> = new Set([
  'subscribe',
  'unsubscribe',
  'psubscribe',
  'punsubscribe',
  'ssubscribe',
  'sunsubscribe',
  'ping',
  'quit',
  'reset',
])

/** Redis's words for everything else there. `name` is lower case; a subcommand is `container|name`. */
export function refuseWhileSubscribed(name: string): Plan {
  return refuse(
    `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
  )
}

function namesOf(request: Request, from: number): string[] {
  return Array.from({ length: request.argc - from }, (_, i) => request.text(i + from))
}

/** The slot of all shard channels; -1: there are several, and it matters. */
function sharedSlot(request: Request, environment: Environment): number {
  const slot = slotOfArg(request, 1)
  if (environment.upstreamKind === 'standalone') return slot
  for (let i = 2; i < request.argc; i++) if (slotOfArg(request, i) !== slot) return -1
  return slot
}

function subscribe(kind: TopicKind): LocalHandler {
  return (request, session, environment) => {
    const slot = kind === SHARD ? sharedSlot(request, environment) : 0
    if (slot < 0) return refuse(CROSSSLOT)
    return environment.pubsub.subscribe(kind, namesOf(request, 1), slot, session)
  }
}

function unsubscribe(kind: TopicKind): LocalHandler {
  return (request, session, environment) => {
    if (request.argc === 1) return environment.pubsub.unsubscribe(kind, null, session)
    if (kind === SHARD && sharedSlot(request, environment) < 0) return refuse(CROSSSLOT)
    return environment.pubsub.unsubscribe(kind, namesOf(request, 1), session)
  }
}

/** Every channel that some node knows, which is every channel of every proxy and of clients beside them. */
const channels: LocalHandler = (request, session) => {
  if (request.argc > 3) {
    const name = request.text(1)
    return refuse(
      `ERR unknown subcommand or wrong number of arguments for '${name}'. Try ${request.text(0).toUpperCase()} HELP.`,
    )
  }
  const union = (frames: readonly Buffer[]): Buffer => {
    const names = new Map(frames.flatMap(frameElements).map((name) => [name.toString('latin1'), name]))
    return Buffer.concat([Buffer.from(`*${names.size}\r\n`), ...names.values()])
  }
  return planGather(gatherEverywhere(request, union, session.protocol), false)
}

/**
 * Our own clients, and who else is at the nodes. A node counts the proxy as one, so where it holds the channel
 * that one is taken off and its clients are put in its place.
 */
function subscriberCounts(kind: TopicKind): LocalHandler {
  return (request, session, environment) => {
    const names = namesOf(request, 2)
    const merge = (frames: readonly Buffer[]): Buffer => {
      const rows = frames.map(frameElements)
      const reply: Reply[] = []
      names.forEach((name, i) => {
        let count = environment.pubsub.count(kind, name)
        for (const row of rows) count += Number(row[i * 2 + 1].toString('latin1', 1))
        if (environment.pubsub.heldUpstream(kind, name)) count--
        reply.push(Buffer.from(name, 'latin1'), Math.max(count, 0))
      })
      return encodeReply(reply, session.protocol)
    }
    return planGather(gatherEverywhere(request, merge, session.protocol), false)
  }
}

/** A pattern counts once a node that knows it. */
const patternCount: LocalHandler = (request, session) => {
  const sum = (frames: readonly Buffer[]): Buffer =>
    encodeReply(
      frames.reduce((total, frame) => total + Number(frame.toString('latin1', 1)), 0),
      session.protocol,
    )
  return planGather(gatherEverywhere(request, sum, session.protocol), false)
}

export const pubsubCommands: LocalCommands = new Map([
  ['subscribe', { arity: -2, handle: subscribe(CHANNEL) }],
  ['psubscribe', { arity: -2, handle: subscribe(PATTERN) }],
  ['ssubscribe', { arity: -2, handle: subscribe(SHARD) }],
  ['unsubscribe', { arity: -1, handle: unsubscribe(CHANNEL) }],
  ['punsubscribe', { arity: -1, handle: unsubscribe(PATTERN) }],
  ['sunsubscribe', { arity: -1, handle: unsubscribe(SHARD) }],
  ['pubsub|channels', { arity: -2, handle: channels }],
  ['pubsub|shardchannels', { arity: -2, handle: channels }],
  ['pubsub|numsub', { arity: -2, handle: subscriberCounts(CHANNEL) }],
  ['pubsub|shardnumsub', { arity: -2, handle: subscriberCounts(SHARD) }],
  ['pubsub|numpat', { arity: 2, handle: patternCount }],
])
