// Decides what is to be done with a request: answer it, send it somewhere, or say why not.

import type { Request } from '../resp/request.ts'
import { canSplit, EVERYWHERE, gatherEverywhere, gatherScan, gatherSplit } from './gather.ts'
import { CROSS_SLOT, hasWord, NO_KEYS, slotOfArg, slotOfKeys } from './keys.ts'
import type { Environment, LocalCommand } from './local/environment.ts'
import type { NameTable } from './name-table.ts'
import { type Plan, planGather, refuse, relay } from './plan.ts'
import type { SessionState } from './session-state.ts'
import {
  ALL_MASTERS,
  ANY_MASTER,
  BY_KEY,
  BY_KEYS,
  type CommandEntry,
  LOCAL,
  REFUSED,
  SCAN,
  TQ,
} from './table.ts'

const NOAUTH = 'NOAUTH Authentication required.'
const CROSSSLOT = "CROSSSLOT Keys in request don't hash to the same slot"

/** What planning needs besides the request. */
export interface Planner {
  plan(request: Request, session: SessionState): Plan
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
    if (entry.refusedWord !== null && hasWord(request, entry.refusedWord, 1)) return refuse(entry.refusal)
    const slot = slotOfKeys(request, entry.keySpecs)
    if (slot !== CROSS_SLOT) return relay(slot === NO_KEYS ? -1 : slot, entry.write)
    // On a standalone upstream every slot has the same master, so any will do.
    if (options.crossSlotAllowed()) return relay(0, entry.write)
    if (!canSplit(entry.name)) return refuse(CROSSSLOT)
    const gather = gatherSplit(entry.name, request)
    if (gather === null) return refuse(`ERR wrong number of arguments for '${entry.name}' command`)
    return planGather(gather, entry.write)
  }

  return {
    plan(request, session) {
      const { head, start, offsets } = request
      const nameFrom = start + offsets[0]
      let entry = options.table().get(head, nameFrom, start + offsets[1])
      if (entry !== null && entry.subcommands !== null && request.argc > 1) {
        const sub = entry.subcommands.get(head, start + offsets[2], start + offsets[3])
        if (sub !== null) entry = sub
        else if (entry.kind !== BY_KEY && session.authenticated) return unknownSubcommand(entry.name, request)
      }
      if (entry !== null && entry.subcommands !== null && entry.kind === REFUSED && request.argc === 1) {
        // Such a word alone says nothing; COMMAND, which does, is answered here.
        if (session.authenticated) return refuse(`ERR wrong number of arguments for '${entry.name}' command`)
      }
      if (!session.authenticated && entry?.beforeAuth !== true) return refuse(NOAUTH)
      if (entry === null) {
        const unavailable = options.unavailable()
        // A name that the upstream does not know either: its own error says it best.
        return unavailable !== null ? refuse(unavailable) : relay(-1, true)
      }
      session.lastCommand = entry.name
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
            gatherEverywhere(request, EVERYWHERE.get(entry.name)!, session.protocol),
            entry.write,
          )
        case SCAN: {
          const gather = request.argc > 1 ? gatherScan(request, environment.masters) : null
          if (gather === null) return relay(-1, false)
          return typeof gather === 'string' ? refuse(gather) : planGather(gather, false)
        }
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

function unknownSubcommand(container: string, request: Request): Plan {
  const name = request.text(1).slice(0, 128)
  return refuse(`ERR unknown subcommand '${name}'. Try ${container.toUpperCase()} HELP.`)
}
