// Finds where one upstream reply ends, without parsing what is in it.

/** What a look at the bytes gave. */
export const FRAME_PARTIAL = 0
export const FRAME_COMPLETE = 1
export const FRAME_INVALID = -1
export type FrameResult = typeof FRAME_PARTIAL | typeof FRAME_COMPLETE | typeof FRAME_INVALID

const CR = 13
const LF = 10

/**
 * A resumable scanner over the replies of one connection, RESP2 and RESP3. Depth needs no stack: a frame is
 * complete when as many elements have been seen as were announced.
 */
export class FrameScanner {
  /**
   * Where the last `scan` stopped: behind the frame when complete; otherwise the first byte that it has to see
   * again together with more (all bytes before it are done with).
   */
  at = 0
  /** Whether the current frame is a push (`>`), which answers no command. */
  push = false

  /** Elements still to be seen until the frame is complete; 0 between frames. */
  private open = 0
  /** Bytes of a payload (and its line end) still to be passed over. */
  private skip = 0

  /** Whether the scanner stands inside a payload whose remaining `skip` bytes need no look. */
  get payloadLeft(): number {
    return this.skip
  }

  /** Scans from `from`: a frame's start, or where the last partial scan of the same frame stopped. */
  scan(buf: Buffer, from: number): FrameResult {
    const limit = buf.length
    let at = from
    let open = this.open
    if (open === 0) {
      open = 1
      this.push = at < limit && buf[at] === 62
    }
    if (this.skip > 0) {
      const passed = Math.min(this.skip, limit - at)
      at += passed
      this.skip -= passed
      if (this.skip > 0) {
        this.at = at
        this.open = open
        return FRAME_PARTIAL
      }
      open--
    }
    while (open > 0) {
      if (at >= limit) return this.partial(at, open)
      const type = buf[at]
      switch (type) {
        case 43: // +
        case 45: // -
        case 58: // :
        case 95: // _
        case 44: // ,
        case 35: // #
        case 40: {
          // (
          let end = at + 1
          while (end < limit && buf[end] !== CR) end++
          if (end + 1 >= limit) return this.partial(at, open)
          if (buf[end + 1] !== LF) return FRAME_INVALID
          at = end + 2
          open--
          break
        }
        case 36: // $
        case 61: // =
        case 33: // !
        case 42: // *
        case 126: // ~
        case 62: // >
        case 37: // %
        case 124: {
          // |
          let end = at + 1
          let value = 0
          let negative = false
          if (end < limit && buf[end] === 45) {
            negative = true
            end++
          }
          while (end < limit && buf[end] >= 48 && buf[end] <= 57) {
            value = value * 10 + buf[end] - 48
            end++
          }
          if (end < limit && buf[end] !== CR) return FRAME_INVALID
          if (end + 1 >= limit) return this.partial(at, open)
          if (buf[end + 1] !== LF) return FRAME_INVALID
          at = end + 2
          if (negative) {
            open--
          } else if (type === 36 || type === 61 || type === 33) {
            const behind = at + value + 2
            if (behind > limit) {
              this.skip = behind - limit
              return this.partial(limit, open)
            }
            at = behind
            open--
          } else if (type === 37) open += value * 2 - 1
          // An attribute stands before the reply that it belongs to, so one more element follows it.
          else if (type === 124) open += value * 2
          else open += value - 1
          break
        }
        default:
          return FRAME_INVALID
      }
    }
    this.open = 0
    this.at = at
    return FRAME_COMPLETE
  }

  private partial(at: number, open: number): FrameResult {
    this.at = at
    this.open = open
    return FRAME_PARTIAL
  }
}

/** Where the frame that starts at `from` ends, in a buffer that holds all of it; -1 where it does not. */
export function frameEnd(buf: Buffer, from: number): number {
  const scanner = new FrameScanner()
  return scanner.scan(buf, from) === FRAME_COMPLETE ? scanner.at : -1
}

/** The direct elements of an aggregate frame, each as its bytes; of a map, names and values in turn. */
export function frameElements(frame: Buffer): Buffer[] {
  const elements: Buffer[] = []
  let at = frame.indexOf(LF) + 1
  while (at > 0 && at < frame.length) {
    const end = frameEnd(frame, at)
    if (end < 0) break
    elements.push(frame.subarray(at, end))
    at = end
  }
  return elements
}
