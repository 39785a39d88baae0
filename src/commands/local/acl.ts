// ACL, about the users of the proxy; those of the upstream are no business of its clients.

import { encodeReply, type Reply } from '../../resp/encode.ts'
import { frameElements } from '../../resp/reply-frames.ts'
import { tqCategories } from '../categories.ts'
import { answer, relayRewritten } from '../plan.ts'
import type { UserView } from '../users.ts'
import type { LocalCommands, LocalHandler } from './environment.ts'

/** One line of ACL LIST, as Redis writes them; what Redis has not comes last. */
function line({ name, flags, passwords, keys, channels, commands, events }: UserView): string {
  return [
    `user ${name}`,
    ...flags,
    ...passwords.map((hash) => `#${hash}`),
    keys === '' ? 'resetkeys' : keys,
    channels === '' ? 'resetchannels' : channels,
    commands,
    `events:${events}`,
  ].join(' ')
}

const getUser: LocalHandler = (request, session, environment) => {
  const view = environment.users.views().find(({ name }) => name === request.text(2))
  if (view === undefined) return answer(null, session)
  const { flags, passwords, commands, keys, channels, events } = view
  return answer(
    new Map<string, Reply>([
      ['flags', new Set(flags)],
      ['passwords', passwords],
      ['commands', commands],
      ['keys', keys],
      ['channels', channels],
      ['selectors', []],
      ['events', events],
    ]),
    session,
  )
}

/** The upstream's categories with ours, or the commands of one. */
const categories: LocalHandler = (request, session, environment) => {
  const { protocol } = session
  const specs = [...environment.specs.values()]
  const wanted = request.argc > 2 ? request.text(2).toLowerCase() : null
  const ours =
    wanted === null
      ? ['tq']
      : specs.filter((spec) => tqCategories(spec).includes(wanted)).map((spec) => spec.name.toLowerCase())
  if (wanted === 'tq') return answer(ours, session)
  return relayRewritten((frame) => {
    const elements = [...frameElements(frame), ...ours.map((name) => encodeReply(name, protocol))]
    return Buffer.concat([Buffer.from(`*${elements.length}\r\n`), ...elements])
  })
}

export const aclCommands: LocalCommands = new Map([
  ['acl|whoami', { arity: 2, handle: (_request, session) => answer(session.user, session) }],
  [
    'acl|users',
    {
      arity: 2,
      handle: (_request, session, { users }) =>
        answer(
          users.views().map(({ name }) => name),
          session,
        ),
    },
  ],
  [
    'acl|list',
    { arity: 2, handle: (_request, session, { users }) => answer(users.views().map(line), session) },
  ],
  ['acl|getuser', { arity: 3, handle: getUser }],
  ['acl|cat', { arity: -2, handle: categories }],
])
