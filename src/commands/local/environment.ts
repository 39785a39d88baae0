// What commands answered here may know of the proxy around them.

import type { Request } from '../../resp/request.ts'
import type { Plan } from '../plan.ts'
import type { SessionState } from '../session-state.ts'
import type { TqSpec } from '../spec.ts'
import type { PubSub } from '../subscription-state.ts'
import type { Users } from '../users.ts'

/** The proxy, as commands see it. */
export interface Environment {
  /** This program's version. */
  readonly version: string
  /** Unix time in ms of the start. */
  readonly startedAt: number
  /** The port clients came to. */
  readonly listenPort: number
  /** The upstream's Redis version; a stand-in until it is known. */
  readonly redisVersion: string
  /** Whether the upstream has been reached and its commands are known. */
  readonly ready: boolean
  readonly upstreamKind: 'cluster' | 'standalone' | null
  readonly masters: number
  /** Commands that are out at some node. */
  readonly inFlight: number
  readonly totals: {
    readonly connections: number
    readonly commands: number
    readonly refused: number
    readonly authFailures: number
  }
  /** The key of the set of all events' names. */
  readonly registry: Buffer
  readonly specs: ReadonlyMap<string, TqSpec>
  sessions(): Iterable<SessionState>
  readonly users: Users
  /** Told of each refused password, and of the name that came with it. */
  onAuthFailure(session: SessionState, name: string): void
  readonly pubsub: PubSub
}

/** Answers one command. The arity is checked before. */
export type LocalHandler = (request: Request, session: SessionState, environment: Environment) => Plan

/** A command, or subcommand (`client|id`), that is answered here. */
export interface LocalCommand {
  /** As Redis counts: the name included (for a subcommand both words), negative for "at least". */
  arity: number
  /** Whether it may come before the password. */
  beforeAuth?: true
  handle: LocalHandler
}

/** Commands by lower-case name. */
export type LocalCommands = ReadonlyMap<string, LocalCommand>
