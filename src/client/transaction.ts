// MULTI to EXEC of one client: collected here, sent in one piece, atomic on the node.

import type { Plan } from '../commands/plan.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { Request } from '../resp/request.ts'
import { ReplySlot } from './reply-slot.ts'

const MULTI = encodeCommand(['MULTI'])
const EXEC = encodeCommand(['EXEC'])
const MINUS = 45

/** The commands between MULTI and EXEC. */
export class Transaction {
  /** The slot of all keys so far; -1: none had keys. */
  slot = -1
  /** Whether a command was refused, so that EXEC will be. */
  failed = false
  count = 0
  bytes = 0
  private readonly wires: Buffer[] = [MULTI]

  /** Takes a command in; false where its keys lie in another slot. */
  add(request: Request, plan: Plan): boolean {
    if (plan.slot >= 0 && this.slot >= 0 && plan.slot !== this.slot) return false
    if (plan.slot >= 0) this.slot = plan.slot
    for (const part of plan.wire === null ? request.buffers() : [plan.wire]) {
      this.wires.push(part)
      this.bytes += part.length
    }
    this.count++
    return true
  }

  /** All of it as one piece for the wire. */
  seal(): Buffer {
    return Buffer.concat([...this.wires, EXEC])
  }
}

/**
 * The reply slot of an EXEC. The node answers MULTI, each command and EXEC; only the last of these is the
 * client's. Because the whole is one write, nobody's command comes between, on a link that all clients share.
 */
export class TransactionSlot extends ReplySlot {
  /** Replies that the node has given to this attempt. */
  private seen = 0
  /** The first error among the replies to the queued commands: nothing was executed then. */
  private refused: string | null = null

  override onReply(buf: Buffer, start: number, end: number): void {
    if (++this.seen < this.replies) {
      if (buf[start] === MINUS) this.refused ??= buf.toString('latin1', start + 1, end - 2)
      return
    }
    const { refused } = this
    this.seen = 0
    this.refused = null
    // The queue-time error says why EXEC failed: MOVED and its like are worth another attempt of the whole.
    if (refused !== null && buf[start] === MINUS && this.router.intercept(this, refused)) return
    super.onReply(buf, start, end)
  }

  protected override deliver(buf: Buffer, start: number, end: number): void {
    super.deliver(buf, start, end)
    this.via?.close('the transaction is over')
  }

  protected override deliverPart(buf: Buffer, start: number, end: number, last: boolean): void {
    super.deliverPart(buf, start, end, last)
    if (last) this.via?.close('the transaction is over')
  }

  override restart(): void {
    this.seen = 0
    this.refused = null
  }
}
