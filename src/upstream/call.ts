// One command on its way to a node, and what happens to its reply.

import type { Protocol } from '../resp/encode.ts'
import type { Gate } from './gate.ts'
import type { Script } from './scripts.ts'

/** Waits for its turn, or for a moment to be sent again. */
export const CALL_HELD = 0
/** Given to a link; its reply will come, or the link's end. */
export const CALL_SENT = 1
/** Has its final reply. */
export const CALL_SETTLED = 2

/** The calls of one client keep their order a slot through a lane; gates exist only around redirections. */
export interface Lane {
  gates: Map<number, Gate> | null
  /** The client's calls for `slot` that have no final reply yet, oldest first. */
  unsettled(slot: number): Call[]
}

/** A connection lent to one client. */
export interface PinnedLink {
  send(call: Call): void
  close(reason: string): void
}

/** What a call asks of the router when its reply is not an ordinary one. */
export interface CallRouter {
  /** Looks at an error reply; true: the router has taken the call over and will settle it later. */
  intercept(call: Call, error: string): boolean
  /** The link ended before the reply. `written`: the node may have seen the command. */
  lost(call: Call, written: boolean): void
  /** A call of a gated lane has its final reply. */
  settled(call: Call): void
}

const MINUS = 45

/**
 * A command for the node that owns `slot` (-1: any master). Subclasses say where the reply goes.
 * The wire bytes are `head` from `start` to `end`, then the buffers of `rest`.
 */
export abstract class Call {
  readonly lane: Lane
  readonly router: CallRouter
  head: Buffer
  start: number
  end: number
  rest: readonly Buffer[] | null
  slot: number
  protocol: Protocol
  /** Whether executing it twice could matter. */
  write: boolean
  /** Whether it may be sent again even if it was executed: it carries a request id. */
  repeatable = false
  /** Where in `head` the request id begins; its first byte turns from `1` to `2` on a retry. */
  requestIdAt = -1
  /** The script behind an EVALSHA of ours, for the repair of NOSCRIPT. */
  script: Script | null = null
  state: number = CALL_HELD
  /** How many replies the node gives to it; all go to `onReply`. */
  replies = 1
  /** The connection that it has to go over, whatever the slot map says; null: the node's shared one. */
  via: PinnedLink | null = null

  /** Times it was sent again. */
  attempts = 0
  /** When to give up, as performance.now(); 0 until the first retry. */
  deadline = 0
  /** Not to be sent again before this moment, as performance.now(). */
  notBefore = 0
  /** For this master, by its number in the order of addresses, instead of the owner of `slot`; -1: not so. */
  master = -1
  /** Whether the node may make it wait for as long as it likes; it then has a connection of its own. */
  blocks = false
  /** The connection that serves this call alone. */
  ownLink: { close(reason: string): void } | null = null
  /** An ASK redirection for the next attempt: `host:port`. */
  askNode: string | null = null
  /** The event whose keys its script makes; the router hands it to `openEvent` and does not look inside. */
  event: object | null = null
  /** Whether the link is to send ASKING right before it. */
  asking = false
  /** Whether it is counted among the calls that are being sent again. */
  retrying = false
  /** Whether some attempt may have reached a node without an answer. */
  uncertain = false
  /** Whether pieces of a large reply have been passed on; such a call can't be sent again. */
  begun = false

  constructor(
    lane: Lane,
    router: CallRouter,
    head: Buffer,
    start: number,
    end: number,
    rest: readonly Buffer[] | null,
    slot: number,
    protocol: Protocol,
    write: boolean,
  ) {
    this.lane = lane
    this.router = router
    this.head = head
    this.start = start
    this.end = end
    this.rest = rest
    this.slot = slot
    this.protocol = protocol
    this.write = write
  }

  /** Takes the final reply: one whole frame, which must not be kept beyond the call's own use of it. */
  protected abstract deliver(buf: Buffer, start: number, end: number): void
  /** Takes the next bytes of a large reply; `last` ends the frame. */
  protected abstract deliverPart(buf: Buffer, start: number, end: number, last: boolean): void

  /** The rest of a large reply will never come. */
  abstract abort(reason: string): void

  /** Forgets what an attempt has brought so far; called before another one. */
  restart(): void {}

  /** Makes its bytes anew after `-NEEDSTREAM`; false where it cannot. */
  replan(): boolean {
    return false
  }

  /** Called by the link with one whole reply frame. */
  onReply(buf: Buffer, start: number, end: number): void {
    if (buf[start] === MINUS && this.router.intercept(this, buf.toString('latin1', start + 1, end - 2)))
      return
    this.settle(buf, start, end)
  }

  /** Called by the link as a large reply arrives. */
  onReplyPart(buf: Buffer, start: number, end: number, last: boolean): void {
    this.begun = true
    if (last) this.state = CALL_SETTLED
    this.deliverPart(buf, start, end, last)
    if (last && this.lane.gates !== null) this.router.settled(this)
  }

  /** Gives the call its final reply. */
  settle(buf: Buffer, start: number, end: number): void {
    this.state = CALL_SETTLED
    this.deliver(buf, start, end)
    if (this.lane.gates !== null) this.router.settled(this)
  }

  /** How many bytes it has on the wire. */
  get byteLength(): number {
    let total = this.end - this.start
    if (this.rest !== null) for (const part of this.rest) total += part.length
    return total
  }
}
