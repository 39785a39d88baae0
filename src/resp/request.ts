// One client command as the bytes that arrived, and where in them its arguments lie.

/**
 * A complete request. The bytes are never copied: `head` from `start` to `end` holds the command, followed by
 * the buffers of `rest` where a large argument arrived in several reads.
 */
export class Request {
  head: Buffer
  start: number
  end: number
  rest: readonly Buffer[] | null
  argc: number
  /** Two places an argument, counted from the first byte of the request: where it begins and where it ends. */
  offsets: readonly number[]

  constructor(
    head: Buffer,
    start: number,
    end: number,
    rest: readonly Buffer[] | null,
    offsets: readonly number[],
  ) {
    this.head = head
    this.start = start
    this.end = end
    this.rest = rest
    this.argc = offsets.length >> 1
    this.offsets = offsets
  }

  /** The length of argument `index` in bytes. */
  argLength(index: number): number {
    return this.offsets[index * 2 + 1] - this.offsets[index * 2]
  }

  /** Argument `index` (0 is the command's name) as bytes; a view where it lies in one piece. */
  arg(index: number): Buffer {
    const from = this.offsets[index * 2]
    const to = this.offsets[index * 2 + 1]
    const headLength = this.end - this.start
    if (to <= headLength) return this.head.subarray(this.start + from, this.start + to)
    return this.across(from, to)
  }

  /** Argument `index` as text, one character a byte. */
  text(index: number): string {
    const to = this.offsets[index * 2 + 1]
    if (to <= this.end - this.start) {
      return this.head.toString('latin1', this.start + this.offsets[index * 2], this.start + to)
    }
    return this.arg(index).toString('latin1')
  }

  /** All bytes of the request in order, as few buffers as they arrived in. */
  buffers(): Buffer[] {
    const head = this.head.subarray(this.start, this.end)
    return this.rest === null ? [head] : [head, ...this.rest]
  }

  /** How many bytes the request has. */
  get byteLength(): number {
    let total = this.end - this.start
    if (this.rest !== null) for (const part of this.rest) total += part.length
    return total
  }

  private across(from: number, to: number): Buffer {
    const pieces: Buffer[] = []
    let at = 0
    for (const part of this.buffers()) {
      const begin = Math.max(from - at, 0)
      const finish = Math.min(to - at, part.length)
      if (begin < finish) pieces.push(part.subarray(begin, finish))
      at += part.length
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
  }
}
