// What is to be done with one request.

import { encodeReply, errorBytes, type Reply } from '../resp/encode.ts'
import type { Script } from '../upstream/scripts.ts'
import type { EventRoute } from './event-routes.ts'
import type { Gather } from './gather.ts'
import type { SessionState } from './session-state.ts'

/** Answered here. */
export const PLAN_ANSWER = 0
/** Sent on: the request's own bytes, or `wire`. */
export const PLAN_RELAY = 1

/** The plan is still being made; the command keeps its place meanwhile. */
export const PLAN_LATER = 2

/** Sent in parts, whose replies become one. */
export const PLAN_GATHER = 3

/** MULTI, EXEC, DISCARD, WATCH, UNWATCH. */
export const PLAN_TRANSACTION = 4

/** Makes the client's reply of the node's. Gets one whole frame; only called for replies that are no errors. */
export type Rewrite = (frame: Buffer) => Buffer | Promise<Buffer>

/** A plan. All have the same fields, so that the code that reads them stays fast. */
export interface Plan {
  kind:
    | typeof PLAN_ANSWER
    | typeof PLAN_RELAY
    | typeof PLAN_LATER
    | typeof PLAN_GATHER
    | typeof PLAN_TRANSACTION
  /** PLAN_ANSWER: the reply. Empty: none is due. */
  answer: Buffer
  /** PLAN_ANSWER: whether the connection ends after it. */
  close: boolean
  /** PLAN_RELAY: the slot; -1: any master. */
  slot: number
  /** PLAN_RELAY: whether executing it twice could matter. */
  write: boolean
  /** PLAN_RELAY: whether the node may make it wait; it then has a connection of its own. */
  blocks: boolean
  /** PLAN_RELAY: bytes to send instead of the request's own. */
  wire: Buffer | null
  /** PLAN_RELAY: the script behind `wire`. */
  script: Script | null
  /** PLAN_RELAY: where in `wire` the request id begins, -1 for none. With one, a retry is harmless. */
  requestIdAt: number
  rewrite: Rewrite | null
  /** PLAN_RELAY: the event whose keys the script makes where they are missing. */
  event: EventRoute | null
  /** PLAN_LATER: the plan to come, an answer or a relay to the same slot. */
  later: Promise<Plan> | null
  /** PLAN_GATHER */
  gather: Gather | null
  /** PLAN_TRANSACTION: which of the five, lower case. */
  verb: string
}

const NOTHING = Buffer.alloc(0)

/** Answers with bytes. */
export function answerBytes(answer: Buffer, close = false): Plan {
  return {
    kind: PLAN_ANSWER,
    answer,
    close,
    slot: -1,
    write: false,
    blocks: false,
    wire: null,
    script: null,
    requestIdAt: -1,
    rewrite: null,
    event: null,
    later: null,
    gather: null,
    verb: '',
  }
}

/** Answers in the session's protocol. */
export function answer(reply: Reply, session: SessionState): Plan {
  return answerBytes(encodeReply(reply, session.protocol))
}

/** Answers with an error; the first word is its code. */
export function refuse(text: string): Plan {
  return answerBytes(errorBytes(text))
}

/** Sends the request as it came. */
export function relay(slot: number, write: boolean): Plan {
  return {
    kind: PLAN_RELAY,
    answer: NOTHING,
    close: false,
    slot,
    write,
    blocks: false,
    wire: null,
    script: null,
    requestIdAt: -1,
    rewrite: null,
    event: null,
    later: null,
    gather: null,
    verb: '',
  }
}

/** Sends other bytes than came. */
export function relayWire(
  slot: number,
  write: boolean,
  wire: Buffer,
  script: Script | null,
  requestIdAt: number,
): Plan {
  return {
    kind: PLAN_RELAY,
    answer: NOTHING,
    close: false,
    slot,
    write,
    blocks: false,
    wire,
    script,
    requestIdAt,
    rewrite: null,
    event: null,
    later: null,
    gather: null,
    verb: '',
  }
}

/** Sends the request (or `wire`) to any master and makes the client's reply of what comes back. */
export function relayRewritten(rewrite: Rewrite, wire: Buffer | null = null): Plan {
  return {
    kind: PLAN_RELAY,
    answer: NOTHING,
    close: false,
    slot: -1,
    write: false,
    blocks: false,
    wire,
    script: null,
    requestIdAt: -1,
    rewrite,
    event: null,
    later: null,
    gather: null,
    verb: '',
  }
}

/** Keeps the command's place, in its client's order and before its later commands for the slot. */
export function planLater(slot: number, write: boolean, later: Promise<Plan>): Plan {
  return { ...relay(slot, write), kind: PLAN_LATER, later }
}

/** Sends a command in parts. */
export function planGather(gather: Gather, write: boolean): Plan {
  return { ...relay(-1, write), kind: PLAN_GATHER, gather }
}

/** One of the commands about transactions. `slot` is that of WATCH's keys. */
export function planTransaction(verb: string, slot: number): Plan {
  return { ...relay(slot, false), kind: PLAN_TRANSACTION, verb }
}
