// TQ.EVENTS: pages through the registry of events, which lies on one shard whatever shards the events are on.

import { encodeCommand } from '../../resp/encode.ts'
import { keySlot } from '../../routing/slots.ts'
import { refuse, relayWire } from '../plan.ts'
import { compileSyntax, type Place, parseArguments, type Syntax } from '../tq-arguments.ts'
import type { LocalCommands, LocalHandler } from './environment.ts'

const DEFAULT_COUNT = '100'

let syntax: Syntax | null = null

const events: LocalHandler = (request, _session, environment) => {
  syntax ??= compileSyntax(environment.specs.get('TQ.EVENTS')!)
  const places = parseArguments(syntax, request)
  if (typeof places === 'string') return refuse(places)
  const [cursor, match, count] = places.map((place) => bytesOf(place, request.head))
  const words = ['SSCAN', environment.registry, cursor.length === 0 ? '0' : cursor]
  if (match.length > 0) words.push('MATCH', match)
  words.push('COUNT', count.length === 0 ? DEFAULT_COUNT : count)
  // SSCAN's own reply, a cursor and a list, is ours.
  return relayWire(keySlot(environment.registry), false, encodeCommand(words), null, -1)
}

function bytesOf(place: Place, head: Buffer): Buffer {
  if (typeof place === 'string') return Buffer.from(place)
  return head.subarray(head.indexOf(10, place.from) + 1, place.to - 2)
}

export const eventsCommands: LocalCommands = new Map([['tq.events', { arity: -1, handle: events }]])
