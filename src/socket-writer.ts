// Gathers byte ranges for one socket and hands them over in one write a turn.

import type { Socket } from 'node:net'
import { atEndOfTurn, type Flushable } from './turn.ts'

/** Ranges below this are copied together; a copy costs less than one more buffer in a vectored write. */
const COPY_BYTES = 8 * 1024
const SLAB_BYTES = 64 * 1024

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
let slabUsed = 0

/** Writes to `socket`. Ranges that follow one another in the same buffer become one. */
export class SocketWriter implements Flushable {
  queued = false
  /** Bytes added and not yet handed to the socket. */
  pending = 0
  private readonly socket: Socket
  private buffers: Buffer[] = []
  private starts: number[] = []
  private ends: number[] = []

  constructor(socket: Socket) {
    this.socket = socket
  }

  /** Adds bytes `start` to `end` of `buf`, which must not change until they are written. */
  add(buf: Buffer, start: number, end: number): void {
    this.pending += end - start
    const last = this.buffers.length - 1
    if (last >= 0 && this.buffers[last] === buf && this.ends[last] === start) {
      this.ends[last] = end
      return
    }
    this.buffers.push(buf)
    this.starts.push(start)
    this.ends.push(end)
    atEndOfTurn(this)
  }

  /** Bytes that the peer has not taken yet, here and in the socket. */
  get unsent(): number {
    return this.pending + this.socket.writableLength
  }

  flush(): void {
    const count = this.buffers.length
    if (count === 0) return
    const { socket, buffers, starts, ends } = this
    if (socket.writable) {
      if (count === 1) {
        socket.write(view(buffers[0], starts[0], ends[0]))
      } else {
        const joined = this.join()
        if (joined.length === 1) socket.write(joined[0])
        else {
          socket.cork()
          for (const buf of joined) socket.write(buf)
          socket.uncork()
        }
      }
    }
    buffers.length = 0
    starts.length = 0
    ends.length = 0
    this.pending = 0
  }

  /** The ranges as few buffers: small neighbours copied into a slab, large ones as they are. */
  private join(): Buffer[] {
    const { buffers, starts, ends } = this
    const joined: Buffer[] = []
    let from = slabUsed
    for (let i = 0; i < buffers.length; i++) {
      const length = ends[i] - starts[i]
      if (length >= COPY_BYTES) {
        if (slabUsed > from) joined.push(slab.subarray(from, slabUsed))
        joined.push(view(buffers[i], starts[i], ends[i]))
        from = slabUsed
        continue
      }
      if (slabUsed + length > SLAB_BYTES) {
        if (slabUsed > from) joined.push(slab.subarray(from, slabUsed))
        // Written slices of the old slab keep it alive until they have left.
        slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
        from = slabUsed = 0
      }
      buffers[i].copy(slab, slabUsed, starts[i], ends[i])
      slabUsed += length
    }
    if (slabUsed > from) joined.push(slab.subarray(from, slabUsed))
    return joined
  }
}

function view(buf: Buffer, start: number, end: number): Buffer {
  return start === 0 && end === buf.length ? buf : buf.subarray(start, end)
}
