// One of several calls that a command was split into; together they fill one reply slot.

import { Call, type CallRouter, type Lane } from '../upstream/call.ts'

/** Collects the replies of parts. */
export interface PartCollector {
  /** The whole reply of part `index`. */
  collect(index: number, frame: Buffer): void
  /** The rest of a part's reply will never come. */
  breakOff(reason: string): void
}

/** A part of a command. */
export class PartCall extends Call {
  private readonly collector: PartCollector
  private readonly index: number
  private pieces: Buffer[] = []

  constructor(
    collector: PartCollector,
    index: number,
    lane: Lane,
    router: CallRouter,
    wire: Buffer,
    slot: number,
    protocol: 2 | 3,
    write: boolean,
  ) {
    super(lane, router, wire, 0, wire.length, null, slot, protocol, write)
    this.collector = collector
    this.index = index
  }

  protected override deliver(buf: Buffer, start: number, end: number): void {
    this.collector.collect(this.index, buf.subarray(start, end))
  }

  protected override deliverPart(buf: Buffer, start: number, end: number, last: boolean): void {
    this.pieces.push(buf.subarray(start, end))
    if (last) this.collector.collect(this.index, Buffer.concat(this.pieces))
  }

  override abort(reason: string): void {
    this.collector.breakOff(reason)
  }
}
