// A place in a client's reply order, filled by the upstream, or at once.

import type { Request } from '../resp/request.ts'
import { Call, type CallRouter, type Lane } from '../upstream/call.ts'

/** What a reply slot tells its client. */
export interface ReplyTarget extends Lane {
  /** The whole reply of `slot`. */
  take(slot: ReplySlot, buf: Buffer, start: number, end: number): void
  /** The next piece of a large reply. */
  takePart(slot: ReplySlot, buf: Buffer, start: number, end: number, last: boolean): void
  /** Plans the slot's request again, its event having turned out to keep a stream per user. */
  replan(slot: ReplySlot): boolean
  /** A reply that was begun cannot be finished. */
  breakOff(reason: string): void
}

const MINUS = 45
const EMPTY = Buffer.alloc(0)

/** One command of a client, from its arrival until its reply may be written. */
export class ReplySlot extends Call {
  readonly client: ReplyTarget
  next: ReplySlot | null = null
  /** Bytes it had on the wire when it was queued. */
  size = 0
  /** What it was planned from, while it may have to be planned again. */
  request: Request | null = null
  /** Whether the reply is complete. */
  filled = false
  /** The reply, once it is there and until its turn comes: one range, then further pieces. */
  reply: Buffer = EMPTY
  replyStart = 0
  replyEnd = 0
  pieces: Buffer[] | null = null
  /** Pieces of the node's reply while they wait to be rewritten; never for the client as they are. */
  private raw: Buffer[] | null = null
  /** Makes the client's reply of the node's. */
  rewrite: ((frame: Buffer) => Buffer | Promise<Buffer>) | null = null
  /** The calls of a command that was split. */
  parts: readonly Call[] | null = null
  /** The connection ends after this reply. */
  closes = false

  constructor(
    client: ReplyTarget,
    router: CallRouter,
    head: Buffer,
    start: number,
    end: number,
    rest: readonly Buffer[] | null,
    slot: number,
    protocol: 2 | 3,
    write: boolean,
  ) {
    super(client, router, head, start, end, rest, slot, protocol, write)
    this.client = client
  }

  protected override deliver(buf: Buffer, start: number, end: number): void {
    if (this.rewrite === null || buf[start] === MINUS) this.client.take(this, buf, start, end)
    else this.deliverRewritten(buf.subarray(start, end))
  }

  protected override deliverPart(buf: Buffer, start: number, end: number, last: boolean): void {
    if (this.rewrite === null) {
      this.client.takePart(this, buf, start, end, last)
      return
    }
    this.raw ??= []
    this.raw.push(buf.subarray(start, end))
    if (!last) return
    const whole = Buffer.concat(this.raw)
    this.raw = null
    this.deliverRewritten(whole)
  }

  override replan(): boolean {
    return this.client.replan(this)
  }

  override abort(reason: string): void {
    this.client.breakOff(reason)
  }

  private deliverRewritten(frame: Buffer): void {
    const rewritten = this.rewrite!(frame)
    if (Buffer.isBuffer(rewritten)) this.client.take(this, rewritten, 0, rewritten.length)
    else {
      rewritten.then(
        (reply) => this.client.take(this, reply, 0, reply.length),
        (error: Error) => this.client.breakOff(`the reply could not be made: ${error.message}`),
      )
    }
  }
}
