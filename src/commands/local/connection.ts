// Commands about the connection itself: HELLO, AUTH, PING, ECHO, SELECT, QUIT, RESET.

import { OK_REPLY, type Reply, Simple } from '../../resp/encode.ts'
import type { Request } from '../../resp/request.ts'
import { readInteger } from '../integers.ts'
import { answer, answerBytes, type Plan, refuse } from '../plan.ts'
import type { SessionState } from '../session-state.ts'
import { checkName } from './client.ts'
import type { Environment, LocalCommands, LocalHandler } from './environment.ts'

const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.'
const NO_PASSWORD_SET =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?'

/** Checks a user and password and remembers the outcome; null where they are right. */
function logIn(user: string, password: Buffer, session: SessionState, environment: Environment): Plan | null {
  const login = environment.users.logIn(user, password)
  if (login === null) {
    environment.onAuthFailure(session, user)
    return refuse(WRONG_PASSWORD)
  }
  session.authenticated = true
  session.user = login.user
  session.access = login.access
  return null
}

const auth: LocalHandler = (request, session, environment) => {
  if (request.argc > 3) return refuse('ERR syntax error')
  if (request.argc === 2 && !environment.users.needPassword) return refuse(NO_PASSWORD_SET)
  const user = request.argc === 3 ? request.text(1) : 'default'
  return logIn(user, request.arg(request.argc - 1), session, environment) ?? answerBytes(OK_REPLY)
}

const hello: LocalHandler = (request, session, environment) => {
  let protocol = session.protocol
  let next = 1
  if (request.argc > 1) {
    const version = readInteger(request.text(1))
    if (version === null) return refuse('ERR Protocol version is not an integer or out of range')
    if (version !== 2 && version !== 3) return refuse('NOPROTO unsupported protocol version')
    protocol = version
    next = 2
  }
  let name: string | null = null
  let login: { user: string; password: Buffer } | null = null
  while (next < request.argc) {
    const option = request.text(next).toUpperCase()
    if (option === 'AUTH' && next + 2 < request.argc) {
      login = { user: request.text(next + 1), password: request.arg(next + 2) }
      next += 3
    } else if (option === 'SETNAME' && next + 1 < request.argc) {
      name = request.text(next + 1)
      const failure = checkName(name)
      if (failure !== null) return refuse(failure)
      next += 2
    } else {
      return refuse(`ERR Syntax error in HELLO option '${request.text(next)}'`)
    }
  }
  if (login !== null) {
    const failure = logIn(login.user, login.password, session, environment)
    if (failure !== null) return failure
  }
  if (!session.authenticated) {
    return refuse(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
    )
  }
  if (name !== null) session.name = name
  session.protocol = protocol
  return answer(
    new Map<string, Reply>([
      ['server', 'redis'],
      ['version', environment.redisVersion],
      ['proto', protocol],
      ['id', session.id],
      ['mode', 'standalone'],
      ['role', 'master'],
      ['modules', []],
    ]),
    session,
  )
}

const ping: LocalHandler = (request, session) => {
  if (request.argc > 2) return refuse("ERR wrong number of arguments for 'ping' command")
  if (session.subscriptions !== null && session.protocol === 2) {
    // A client that waits for messages tells this from them by its first word.
    return answer(['pong', request.argc === 2 ? request.arg(1) : ''], session)
  }
  return answer(request.argc === 2 ? request.arg(1) : new Simple('PONG'), session)
}

const select: LocalHandler = (request: Request) => {
  const index = readInteger(request.text(1))
  if (index === null) return refuse('ERR value is not an integer or out of range')
  return index === 0 ? answerBytes(OK_REPLY) : refuse('ERR DB index is out of range')
}

const reset: LocalHandler = (_request, session, environment) => {
  session.subscriptions?.leaveAll()
  session.protocol = 2
  session.name = ''
  session.authenticated = !environment.users.needPassword
  session.user = 'default'
  session.access = null
  return answer(new Simple('RESET'), session)
}

const ok: LocalHandler = () => answerBytes(OK_REPLY)

export const connectionCommands: LocalCommands = new Map([
  ['hello', { arity: -1, beforeAuth: true, handle: hello }],
  ['auth', { arity: -2, beforeAuth: true, handle: auth }],
  ['quit', { arity: -1, beforeAuth: true, handle: () => answerBytes(OK_REPLY, true) }],
  ['reset', { arity: 1, beforeAuth: true, handle: reset }],
  ['ping', { arity: -1, handle: ping }],
  ['echo', { arity: 2, handle: (request, session) => answer(request.arg(1), session) }],
  ['select', { arity: 2, handle: select }],
  // What clients in cluster mode send; one server needs nothing of it.
  ['readonly', { arity: 1, handle: ok }],
  ['readwrite', { arity: 1, handle: ok }],
  ['asking', { arity: 1, handle: ok }],
  ['role', { arity: 1, handle: (_request, session) => answer(['master', 0, []], session) }],
])
