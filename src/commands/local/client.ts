// CLIENT and its subcommands, about the proxy's own clients.

import { encodeReply, OK_REPLY, type Reply, Verbatim } from '../../resp/encode.ts'
import { readInteger } from '../integers.ts'
import { answer, answerBytes, refuse } from '../plan.ts'
import type { SessionState } from '../session-state.ts'
import type { LocalCommands, LocalHandler } from './environment.ts'

/** The error text for a name that Redis would not take either; null for a good one. */
export function checkName(name: string, what = 'Client names'): string | null {
  return /^[!-~]*$/.test(name) ? null : `ERR ${what} cannot contain spaces, newlines or special characters.`
}

/** One line of CLIENT LIST. Fields that a proxy's client has not are left out. */
export function clientLine(session: SessionState): string {
  const now = Date.now()
  const fields = [
    `id=${session.id}`,
    `addr=${session.address}`,
    `laddr=${session.localAddress}`,
    `name=${session.name}`,
    `age=${Math.floor((now - session.createdAt) / 1000)}`,
    `idle=${Math.floor((now - session.lastActiveAt) / 1000)}`,
    'flags=N',
    'db=0',
    `pending=${session.pendingReplies}`,
    `omem=${session.unsentBytes}`,
    `cmd=${session.lastCommand === '' ? 'NULL' : session.lastCommand}`,
    `user=${session.user}`,
    `resp=${session.protocol}`,
    `lib-name=${session.libName}`,
    `lib-ver=${session.libVersion}`,
  ]
  return fields.join(' ')
}

const setName: LocalHandler = (request, session) => {
  const name = request.text(2)
  const failure = checkName(name)
  if (failure !== null) return refuse(failure)
  session.name = name
  return answerBytes(OK_REPLY)
}

const setInfo: LocalHandler = (request, session) => {
  const attribute = request.text(2).toUpperCase()
  const value = request.text(3)
  const field = attribute === 'LIB-NAME' ? 'libName' : attribute === 'LIB-VER' ? 'libVersion' : null
  if (field === null) return refuse(`ERR Unrecognized option '${request.text(2)}'`)
  const failure = checkName(value, request.text(2).toLowerCase())
  if (failure !== null) return refuse(failure)
  session[field] = value
  return answerBytes(OK_REPLY)
}

const NO_TRACKING =
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled'

/** Redis's kinds of clients. All of ours are normal ones. */
const CLIENT_TYPES = new Set(['normal', 'slave', 'replica', 'pubsub', 'master'])

const list: LocalHandler = (request, session, environment) => {
  const filter = request.argc > 3 ? request.text(2).toUpperCase() : ''
  let chosen: SessionState[]
  if (request.argc === 2) {
    chosen = [...environment.sessions()]
  } else if (filter === 'TYPE' && request.argc === 4) {
    const type = request.text(3)
    if (!CLIENT_TYPES.has(type.toLowerCase())) return refuse(`ERR Unknown client type '${type}'`)
    chosen = type.toLowerCase() === 'normal' ? [...environment.sessions()] : []
  } else if (filter === 'ID') {
    const byId = new Map([...environment.sessions()].map((other) => [other.id, other]))
    chosen = []
    for (let i = 3; i < request.argc; i++) {
      const id = readInteger(request.text(i))
      if (id === null) return refuse('ERR Invalid client ID')
      const found = byId.get(id)
      if (found !== undefined) chosen.push(found)
    }
  } else {
    return refuse('ERR syntax error')
  }
  return answer(new Verbatim(chosen.map((other) => `${clientLine(other)}\n`).join('')), session)
}

const trackingInfo: LocalHandler = (_request, session) =>
  answer(
    new Map<string, Reply>([
      ['flags', new Set([Buffer.from('off')])],
      ['redirect', -1],
      ['prefixes', []],
    ]),
    session,
  )

/** CLIENT KILL address, or filters that a client has to match all of. */
const kill: LocalHandler = (request, session, environment) => {
  const byAddress = request.argc === 3
  let skipSelf = !byAddress
  const filters: ((other: SessionState) => boolean)[] = []
  if (byAddress) {
    const address = request.text(2)
    filters.push((other) => other.address === address)
  }
  for (let i = 2; !byAddress && i < request.argc; i += 2) {
    const filter = request.text(i).toUpperCase()
    if (i + 1 >= request.argc) return refuse('ERR syntax error')
    const value = request.text(i + 1)
    if (filter === 'ID') {
      const id = readInteger(value)
      if (id === null || id < 1) return refuse('ERR client-id should be greater than 0')
      filters.push((other) => other.id === id)
    } else if (filter === 'TYPE') {
      const type = value.toLowerCase()
      if (!CLIENT_TYPES.has(type)) return refuse(`ERR Unknown client type '${value}'`)
      filters.push(() => type === 'normal')
    } else if (filter === 'ADDR') {
      filters.push((other) => other.address === value)
    } else if (filter === 'LADDR') {
      filters.push((other) => other.localAddress === value)
    } else if (filter === 'USER') {
      if (!environment.users.has(value)) return refuse(`ERR No such user '${value}'`)
      filters.push((other) => other.user === value)
    } else if (filter === 'SKIPME' && /^(yes|no)$/i.test(value)) {
      skipSelf = value.toLowerCase() === 'yes'
    } else {
      return refuse('ERR syntax error')
    }
  }
  let killed = 0
  let self = false
  for (const other of [...environment.sessions()]) {
    if ((other === session && skipSelf) || !filters.every((matches) => matches(other))) continue
    killed++
    if (other === session) self = true
    else other.destroy('killed by CLIENT KILL')
  }
  if (byAddress && killed === 0) return refuse('ERR No such client')
  // Who kills itself still gets the reply.
  return answerBytes(byAddress ? OK_REPLY : encodeReply(killed, session.protocol), self)
}

const onOff: LocalHandler = (request) => {
  const word = request.text(2).toUpperCase()
  return word === 'ON' || word === 'OFF' ? answerBytes(OK_REPLY) : refuse('ERR syntax error')
}

export const clientCommands: LocalCommands = new Map([
  ['client|id', { arity: 2, handle: (_request, session) => answer(session.id, session) }],
  [
    'client|getname',
    { arity: 2, handle: (_request, session) => answer(session.name === '' ? null : session.name, session) },
  ],
  ['client|setname', { arity: 3, handle: setName }],
  ['client|setinfo', { arity: 4, handle: setInfo }],
  [
    'client|info',
    { arity: 2, handle: (_request, session) => answer(new Verbatim(`${clientLine(session)}\n`), session) },
  ],
  ['client|list', { arity: -2, handle: list }],
  ['client|kill', { arity: -3, handle: kill }],
  ['client|no-evict', { arity: 3, handle: onOff }],
  ['client|no-touch', { arity: 3, handle: onOff }],
  ['client|trackinginfo', { arity: 2, handle: trackingInfo }],
  ['client|caching', { arity: 3, handle: () => refuse(NO_TRACKING) }],
  ['client|getredir', { arity: 2, handle: (_request, session) => answer(-1, session) }],
  [
    'client|tracking',
    {
      arity: -3,
      handle: (request) =>
        request.text(2).toUpperCase() === 'OFF'
          ? answerBytes(OK_REPLY)
          : refuse('ERR client side caching (CLIENT TRACKING) is not supported through tq-proxy'),
    },
  ],
])
