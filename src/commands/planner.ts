// Decides what is to be done with a request: answer it, send it somewhere, or say why not.

import type { Request } from '../resp/request.ts'
import type { Access } from './access.ts'
import { canSplit, EVERYWHERE, firstReply, gatherEverywhere, gatherScan, gatherSplit } from './gather.ts'
import { CROSS_SLOT, hasWord, NO_KEYS, slotOfArg, slotOfKeys } from './keys.ts'
import type { Environment, LocalCommand } from './local/environment.ts'
import { refuseWhileSubscribed, WHILE_SUBSCRIBED } from './local/pubsub.ts'
import type { NameTable } from './name-table.ts'
import { type Plan, planGather, planTransaction, refuse, relay } from './plan.ts'
import type { SessionState } from './session-state.ts'
import {
  ALL_MASTERS,
  ANY_MASTER,
  BY_KEY,
  BY_KEYS,
  type CommandEntry,
  LOCAL,
  PUBLISH,
  REFUSED,
  SCAN,
  TQ,
  TRANSACTION,
} from './table.ts'

/** Answered here, but any node says the same. */
const SAME_EVERYWHERE = new Set(['ping', 'echo', 'select'])

const NOAUTH = 'NOAUTH Authentication required.'
const CROSSSLOT = "CROSSSLOT Keys in request don't hash to the same slot"

/** What planning needs besides the request. */
export interface Planner {
  plan(request: Request, session: SessionState): Plan
  /** Plans a command behind MULTI: a relay that EXEC sends, or an answer, which is an error and fails the whole. */
  planQueued(request: Request, session: SessionState): Plan
}

export interface PlannerOptions {
  /** The table of the moment; it is made anew when the upstream has been reached. */
  table: () => NameTable<CommandEntry>
  environment: Environment
  /** Why commands for the upstream cannot be sent now, as an error's text; null where they can. */
  unavailable: () => string | null
  /** Whether keys of several slots may be in one command: so it is on a standalone upstream. */
  crossSlotAllowed: () => boolean
}

/** Makes the planner of a proxy. */
export function createPlanner(options: PlannerOptions): Planner {
  const { environment } = options

  const planLocal = (local: LocalCommand, name: string, request: Request, session: SessionState): Plan => {
    const { arity } = local
    if (arity > 0 ? request.argc !== arity : request.argc < -arity) {
      return refuse(`ERR wrong number of arguments for '${name}' command`)
    }
    return local.handle(request, session, environment)
  }

  const planKeys = (entry: CommandEntry, request: Request): Plan => {
    const slot = slotOfKeys(request, entry.keySpecs)
    if (slot !== CROSS_SLOT) {
      const plan = relay(slot === NO_KEYS ? -1 : slot, entry.write)
      plan.blocks = entry.blocks === 'always' || (entry.blocks === 'by word' && hasWord(request, 'block', 1))
      return plan
    }
    // On a standalone upstream every slot has the same master, so any will do.
    if (options.crossSlotAllowed()) return relay(0, entry.write)
    if (!canSplit(entry.name)) return refuse(CROSSSLOT)
    const gather = gatherSplit(entry.name, request)
    if (gather === null) return refuse(`ERR wrong number of arguments for '${entry.name}' command`)
    return planGather(gather, entry.write)
  }

  const planVerb = (entry: CommandEntry, request: Request): Plan => {
    if (!arityFits(entry.arity, request)) {
      // As in Redis: an EXEC that is refused itself says so with the code of a failed transaction.
      if (entry.name === 'exec')
        return refuse(
          "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
        )
      return wrongArity(entry.name)
    }
    const slot = slotOfKeys(request, entry.keySpecs)
    if (slot === CROSS_SLOT && !options.crossSlotAllowed()) return refuse(CROSSSLOT)
    return planTransaction(entry.name, slot === CROSS_SLOT ? 0 : slot)
  }

  /** The command's entry, or that of its subcommand; an error where the container has none of that name. */
  const find = (request: Request, session: SessionState): CommandEntry | Plan | null => {
    const { head, start, offsets } = request
    const entry = options.table().get(head, start + offsets[0], start + offsets[1])
    if (entry === null || entry.subcommands === null || request.argc < 2) return entry
    const sub = entry.subcommands.get(head, start + offsets[2], start + offsets[3])
    if (sub !== null) return sub
    return entry.kind !== BY_KEY && session.authenticated ? unknownSubcommand(entry.name, request) : entry
  }

  /** What the user's rules say against a request; null: nothing. */
  const deny = (access: Access, entry: CommandEntry | null, request: Request): Plan | null => {
    if (entry === null) {
      // Of a command that is not known here no rule can tell which keys it takes.
      const unavailable = options.unavailable()
      return unavailable !== null ? refuse(unavailable) : unknownCommand(request)
    }
    // Who may not even log in as somebody else could never become who may.
    const reason = entry.beforeAuth ? null : access.deny(entry, request)
    return reason === null ? null : refuse(reason)
  }

  return {
    planQueued(request, session) {
      const entry = find(request, session)
      if (entry === null) return unknownCommand(request)
      if ('answer' in entry) return entry
      if (session.access !== null) {
        const denial = deny(session.access, entry, request)
        if (denial !== null) return denial
      }
      session.lastCommand = entry.name
      const arity = entry.local?.arity ?? entry.tq?.spec.arity ?? entry.arity
      if (!arityFits(arity, request)) return wrongArity(entry.name)
      switch (entry.kind) {
        case BY_KEY:
          return relay(slotOfArg(request, entry.keyIndex), entry.write)
        case BY_KEYS: {
          // Nothing blocks in a transaction, so what would is an ordinary command there.
          const slot = slotOfKeys(request, entry.keySpecs)
          if (slot !== CROSS_SLOT) return relay(slot === NO_KEYS ? -1 : slot, entry.write)
          return options.crossSlotAllowed() ? relay(0, entry.write) : refuse(CROSSSLOT)
        }
        case TQ:
          return entry.tq!.planQueued(request, session)
        case ANY_MASTER:
          return relay(-1, false)
        case PUBLISH:
          // Its node is that of the keys around it.
          return relay(-1, true)
        case TRANSACTION:
          return planVerb(entry, request)
        case LOCAL:
          if (SAME_EVERYWHERE.has(entry.name)) return relay(-1, false)
          // Both end the transaction, and more.
          if (entry.name === 'reset' || entry.name === 'quit') return planTransaction(entry.name, -1)
          break
        case REFUSED:
          return refuse(entry.refusal)
      }
      return refuse(`ERR '${entry.name.replace('|', ' ')}' cannot be used inside MULTI through tq-proxy`)
    },

    plan(request, session) {
      const entry = find(request, session)
      if (entry !== null && 'answer' in entry) return entry
      if (entry !== null && entry.subcommands !== null && entry.kind === REFUSED && request.argc === 1) {
        // Such a word alone says nothing; COMMAND, which does, is answered here.
        if (session.authenticated) return refuse(`ERR wrong number of arguments for '${entry.name}' command`)
      }
      if (!session.authenticated && entry?.beforeAuth !== true) return refuse(NOAUTH)
      if (session.access !== null) {
        const denial = deny(session.access, entry, request)
        if (denial !== null) return denial
      }
      if (entry === null) {
        const unavailable = options.unavailable()
        // A name that the upstream does not know either: its own error says it best.
        return unavailable !== null ? refuse(unavailable) : relay(-1, true)
      }
      session.lastCommand = entry.name
      if (session.subscriptions !== null && session.protocol === 2 && !WHILE_SUBSCRIBED.has(entry.name)) {
        const fits = arityFits(entry.local?.arity ?? entry.tq?.spec.arity ?? entry.arity, request)
        return fits ? refuseWhileSubscribed(entry.name) : wrongArity(entry.name)
      }
      switch (entry.kind) {
        case BY_KEY:
          if (entry.keyIndex >= request.argc) return relay(-1, entry.write)
          return relay(slotOfArg(request, entry.keyIndex), entry.write)
        case BY_KEYS:
          return planKeys(entry, request)
        case TQ:
          return entry.tq!.plan(request, session)
        case LOCAL:
          return planLocal(entry.local!, entry.name, request, session)
        case ALL_MASTERS:
          return planGather(
            gatherEverywhere(request, EVERYWHERE.get(entry.name) ?? firstReply, session.protocol),
            entry.write,
          )
        case SCAN: {
          const gather = request.argc > 1 ? gatherScan(request, environment.masters) : null
          if (gather === null) return relay(-1, false)
          return typeof gather === 'string' ? refuse(gather) : planGather(gather, false)
        }
        case TRANSACTION:
          return planVerb(entry, request)
        case PUBLISH:
          return relay(request.argc > 1 ? slotOfArg(request, 1) : -1, true)
        case ANY_MASTER:
          return relay(-1, false)
        case REFUSED:
          return refuse(entry.refusal)
        default:
          throw new Error(`a command of no known kind: ${entry.name}`)
      }
    },
  }
}

function arityFits(arity: number, request: Request): boolean {
  return arity >= 0 ? arity === 0 || request.argc === arity : request.argc >= -arity
}

function wrongArity(name: string): Plan {
  return refuse(`ERR wrong number of arguments for '${name}' command`)
}

/** What Redis says to a name it does not know. */
function unknownCommand(request: Request): Plan {
  let args = ''
  for (let i = 1; i < request.argc && args.length < 128; i++) {
    args += `'${request.text(i).slice(0, 128 - args.length)}' `
  }
  return refuse(`ERR unknown command '${request.text(0).slice(0, 128)}', with args beginning with: ${args}`)
}

function unknownSubcommand(container: string, request: Request): Plan {
  const name = request.text(1).slice(0, 128)
  return refuse(`ERR unknown subcommand '${name}'. Try ${container.toUpperCase()} HELP.`)
}
