// COMMAND and its subcommands: the upstream's answer with the TQ.* commands merged in.

import { encodeReply, type Protocol, type Reply } from '../../resp/encode.ts'
import { frameElements } from '../../resp/reply-frames.ts'
import type { Request } from '../../resp/request.ts'
import { tqCategories } from '../categories.ts'
import { commandDocs, commandInfo, keyFlags, takesEvent } from '../command-docs.ts'
import { globMatches } from '../glob.ts'
import { answer, type Plan, refuse, relayRewritten } from '../plan.ts'
import type { SessionState } from '../session-state.ts'
import type { TqSpec } from '../spec.ts'
import type { Environment, LocalCommands } from './environment.ts'

/** A frame with other elements than it had: its type and its count are written anew. */
function frameOf(original: Buffer, elements: readonly Buffer[]): Buffer {
  const type = String.fromCharCode(original[0])
  const count = type === '%' ? elements.length / 2 : elements.length
  return Buffer.concat([Buffer.from(`${type}${count}\r\n`), ...elements])
}

/** Relays the request and adds elements to the array or map that comes back. */
function extend(more: (protocol: Protocol) => Buffer[], session: SessionState): Plan {
  const { protocol } = session
  return relayRewritten((frame) => frameOf(frame, [...frameElements(frame), ...more(protocol)]))
}

/** The specifications that a request names from argument 2 on; null for a name that is none of ours. */
function named(request: Request, environment: Environment): (TqSpec | null)[] {
  const found: (TqSpec | null)[] = []
  for (let i = 2; i < request.argc; i++)
    found.push(environment.specs.get(request.text(i).toUpperCase()) ?? null)
  return found
}

function all(environment: Environment, describe: (spec: TqSpec) => Reply): (protocol: Protocol) => Buffer[] {
  return (protocol) => [...environment.specs.values()].map((spec) => encodeReply(describe(spec), protocol))
}

const command = (_request: Request, session: SessionState, environment: Environment): Plan =>
  extend(all(environment, commandInfo), session)

const info = (request: Request, session: SessionState, environment: Environment): Plan => {
  if (request.argc === 2) return extend(all(environment, commandInfo), session)
  const specs = named(request, environment)
  if (specs.every((spec) => spec !== null)) return answer(specs.map(commandInfo), session)
  const { protocol } = session
  // The upstream answers nil for names it does not know; ours take those places.
  return relayRewritten((frame) =>
    frameOf(
      frame,
      frameElements(frame).map((element, i) => {
        const spec = specs[i]
        return spec === null ? element : encodeReply(commandInfo(spec), protocol)
      }),
    ),
  )
}

const docs = (request: Request, session: SessionState, environment: Environment): Plan => {
  const specs = request.argc === 2 ? [...environment.specs.values()] : named(request, environment)
  const ours = specs.filter((spec) => spec !== null)
  const entries = (protocol: Protocol): Buffer[] =>
    ours.flatMap((spec) => [
      encodeReply(spec.name.toLowerCase(), protocol),
      encodeReply(commandDocs(spec), protocol),
    ])
  if (request.argc > 2 && ours.length === specs.length) {
    return answer(new Map(ours.map((spec) => [spec.name.toLowerCase(), commandDocs(spec)])), session)
  }
  return extend(entries, session)
}

const count = (_request: Request, _session: SessionState, environment: Environment): Plan =>
  relayRewritten((frame) =>
    Buffer.from(`:${Number(frame.toString('latin1', 1)) + environment.specs.size}\r\n`),
  )

const list = (request: Request, session: SessionState, environment: Environment): Plan => {
  const names = [...environment.specs.keys()].map((name) => name.toLowerCase())
  if (request.argc === 2)
    return extend((protocol) => names.map((name) => encodeReply(name, protocol)), session)
  const filter = request.argc === 5 ? request.text(3).toLowerCase() : ''
  const wanted = request.argc === 5 ? request.text(4).toLowerCase() : ''
  const matching = names.filter((name) => {
    if (filter === 'pattern') return globMatches(wanted, name)
    if (filter !== 'aclcat') return false
    return tqCategories(environment.specs.get(name.toUpperCase())!).includes(wanted)
  })
  return extend((protocol) => matching.map((name) => encodeReply(name, protocol)), session)
}

/** COMMAND GETKEYS and, with what the command does to each key, GETKEYSANDFLAGS. */
const getKeys = (request: Request, session: SessionState, environment: Environment): Plan => {
  const spec = environment.specs.get(request.text(2).toUpperCase())
  if (spec === undefined) return relayRewritten((frame) => frame)
  const argc = request.argc - 2
  if (spec.arity > 0 ? argc !== spec.arity : argc < -spec.arity) {
    return refuse('ERR Invalid number of arguments specified for command')
  }
  if (!takesEvent(spec)) return refuse('ERR The command has no key arguments')
  const key = request.arg(3)
  const withFlags = request.text(1).length > 'getkeys'.length
  const flags = new Set(keyFlags(spec.flags.includes('write')))
  return answer([withFlags ? [key, flags] : key], session)
}

export const commandCommands: LocalCommands = new Map([
  ['command', { arity: -1, handle: command }],
  ['command|count', { arity: 2, handle: count }],
  ['command|docs', { arity: -2, handle: docs }],
  ['command|info', { arity: -2, handle: info }],
  ['command|list', { arity: -2, handle: list }],
  ['command|getkeys', { arity: -3, handle: getKeys }],
  ['command|getkeysandflags', { arity: -3, handle: getKeys }],
])
