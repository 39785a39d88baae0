// Turns client bytes into requests; knows nothing of sockets.

import { encodeCommand } from './encode.ts'
import { splitInline } from './inline.ts'
import { Request } from './request.ts'

/** Bytes that no Redis client sends. `message` is Redis's wording, without the leading `-ERR`. */
export class ProtocolError {
  readonly message: string
  constructor(message: string) {
    this.message = `Protocol error: ${message}`
  }
}

/** What one look at the bytes gives: a request, an end to the conversation, or null for "more bytes, please". */
export type Decoded = Request | ProtocolError | null

/** What a client may announce before anything is allocated for it. */
export interface RequestLimits {
  /** Arguments of one command. */
  maxArguments: number
  /** Bytes of one argument. */
  maxBulkBytes: number
  /** Bytes of one whole command. */
  maxRequestBytes: number
}

/** What Redis grants a connection that has not authenticated yet. */
const UNAUTHENTICATED_ARGUMENTS = 10
const UNAUTHENTICATED_BULK_BYTES = 16 * 1024
/** A line without a line feed longer than this is refused; Redis's PROTO_INLINE_MAX_SIZE. */
const MAX_INLINE_BYTES = 64 * 1024
/** From this size on an argument is collected as the buffers it arrives in, never joined. */
const LARGE_BULK_BYTES = 32 * 1024
/** Reads smaller than this are packed together while a large argument arrives. */
const SMALL_READ_BYTES = 4 * 1024
const PACK_BYTES = 64 * 1024
/** No length in RESP needs more characters: a sign and the digits of 2^63. */
const MAX_LENGTH_DIGITS = 20

const CR = 13
const LF = 10
const MINUS = 45
const DOLLAR = 36
const STAR = 42

const EMPTY = Buffer.alloc(0)
/** Results of readLength that are not a length. */
const INCOMPLETE = -2
const INVALID = -3

/**
 * A bounded, resumable decoder for one connection: `push` what arrived, then call `next` until it gives null.
 * Nothing is looked at twice; a large argument stays in the buffers it came in.
 */
export class RequestDecoder {
  /** While false, the stricter limits of an unauthenticated connection hold. */
  authenticated = true

  private readonly limits: RequestLimits
  private buf: Buffer = EMPTY
  /** End of the valid bytes in `buf`. */
  private limit = 0
  /** First byte of the unfinished request (of its part in `buf`, where `parts` holds earlier ones). */
  private start = 0
  /** The next byte to look at. */
  private at = 0
  /** Whether `buf` is ours, with room behind `limit` that may be written to. */
  private owned = false
  /** Arguments of the current multibulk request still to come; -1: between requests. */
  private missing = -1
  private offsets: number[] = []
  /** Length of the argument whose payload is being read; -1: its header comes next. */
  private bulk = -1
  /** Buffers of the current request that are complete, because a large argument spans them. */
  private parts: Buffer[] | null = null
  private partsLength = 0
  /** Payload bytes of a large argument still to come. */
  private largeLeft = 0
  private pack: Buffer | null = null
  private packed = 0
  /** Behind the last length that readLength read. */
  private lengthEnd = 0

  constructor(limits: RequestLimits) {
    this.limits = limits
  }

  /** Bytes held for a request that is not complete yet. */
  get heldBytes(): number {
    return this.partsLength + this.packed + this.limit - this.start
  }

  /** Takes the next read of the connection. The buffer is kept, so it must not be written to again. */
  push(chunk: Buffer): void {
    if (this.largeLeft > 0) {
      const taken = Math.min(this.largeLeft, chunk.length)
      this.largeLeft -= taken
      this.addPart(chunk, taken)
      if (this.largeLeft > 0) return
      this.sealPack()
      this.adopt(chunk, taken)
      return
    }
    const held = this.limit - this.start
    if (held === 0) {
      this.adopt(chunk, 0)
      return
    }
    if (!this.owned || this.buf.length - this.limit < chunk.length) this.grow(held, chunk.length)
    chunk.copy(this.buf, this.limit)
    this.limit += chunk.length
  }

  /** The next request, a protocol error (the connection is to be closed then), or null: more bytes are needed. */
  next(): Decoded {
    for (;;) {
      if (this.missing < 0) {
        if (this.at >= this.limit) return null
        const opened = this.buf[this.at] === STAR ? this.openMultibulk() : this.inline()
        if (opened !== undefined) return opened
        continue
      }
      const failure = this.readArguments()
      if (failure !== undefined) return failure
      return this.finish()
    }
  }

  private adopt(chunk: Buffer, from: number): void {
    this.buf = chunk
    this.start = this.at = from
    this.limit = chunk.length
    this.owned = false
  }

  private grow(held: number, extra: number): void {
    const bigger = Buffer.allocUnsafeSlow(Math.max(2 * (held + extra), 1024))
    this.buf.copy(bigger, 0, this.start, this.limit)
    this.at -= this.start
    this.start = 0
    this.limit = held
    this.buf = bigger
    this.owned = true
  }

  /** Reads `*<count>`; gives undefined where decoding goes on. */
  private openMultibulk(): Decoded | undefined {
    const count = this.readLength(this.at + 1)
    if (count === INCOMPLETE) return null
    if (count === INVALID || count > this.limits.maxArguments) {
      return new ProtocolError('invalid multibulk length')
    }
    if (count > UNAUTHENTICATED_ARGUMENTS && !this.authenticated) {
      return new ProtocolError('unauthenticated multibulk length')
    }
    this.at = this.lengthEnd
    if (count <= 0) {
      // As in Redis, an empty or null array is no command and gets no reply.
      this.start = this.at
      return undefined
    }
    this.missing = count
    this.offsets = []
    return undefined
  }

  /** Reads arguments until the request is complete (undefined), bytes are missing (null), or they are wrong. */
  private readArguments(): null | ProtocolError | undefined {
    while (this.missing > 0) {
      if (this.bulk < 0) {
        if (this.at >= this.limit) return null
        if (this.buf[this.at] !== DOLLAR) {
          return new ProtocolError(`expected '$', got '${printable(this.buf[this.at])}'`)
        }
        const length = this.readLength(this.at + 1)
        if (length === INCOMPLETE) return null
        if (length < 0 || length > this.limits.maxBulkBytes) return new ProtocolError('invalid bulk length')
        if (length > UNAUTHENTICATED_BULK_BYTES && !this.authenticated) {
          return new ProtocolError('unauthenticated bulk length')
        }
        this.at = this.lengthEnd
        const from = this.partsLength + this.at - this.start
        if (from + length > this.limits.maxRequestBytes) return new ProtocolError('too big request')
        this.offsets.push(from, from + length)
        this.bulk = length
      }
      const available = this.limit - this.at
      if (available < this.bulk + 2) {
        if (this.bulk >= LARGE_BULK_BYTES && available < this.bulk) this.openLarge(available)
        return null
      }
      const behind = this.at + this.bulk
      if (this.buf[behind] !== CR || this.buf[behind + 1] !== LF) {
        return new ProtocolError('expected a line end after the argument')
      }
      this.at = behind + 2
      this.bulk = -1
      this.missing--
    }
    return undefined
  }

  /** Sets what has arrived aside: the rest of this payload comes in buffers of its own. */
  private openLarge(available: number): void {
    this.parts ??= []
    this.addPart(this.buf.subarray(this.start, this.limit), this.limit - this.start)
    this.largeLeft = this.bulk - available
    this.bulk = 0
    this.buf = EMPTY
    this.start = this.at = this.limit = 0
    this.owned = false
  }

  private addPart(chunk: Buffer, length: number): void {
    if (length === 0) return
    // Many tiny reads would otherwise cost more in Buffer objects than in bytes.
    if (length < SMALL_READ_BYTES && this.largeLeft > 0) {
      if (this.pack === null || this.pack.length - this.packed < length) {
        this.sealPack()
        this.pack = Buffer.allocUnsafeSlow(PACK_BYTES)
      }
      chunk.copy(this.pack, this.packed, 0, length)
      this.packed += length
      return
    }
    this.sealPack()
    this.parts!.push(chunk.length === length ? chunk : chunk.subarray(0, length))
    this.partsLength += length
  }

  private sealPack(): void {
    if (this.pack === null) return
    this.parts!.push(this.pack.subarray(0, this.packed))
    this.partsLength += this.packed
    this.pack = null
    this.packed = 0
  }

  private finish(): Request {
    const offsets = this.offsets
    const { start, at: end, parts } = this
    this.start = end
    this.missing = -1
    this.offsets = []
    if (parts === null) return new Request(this.buf, start, end, null, offsets)
    parts.push(this.buf.subarray(start, end))
    this.parts = null
    this.partsLength = 0
    return new Request(parts[0], 0, parts[0].length, parts.slice(1), offsets)
  }

  /** One line in the telnet form; gives undefined for an empty one. */
  private inline(): Decoded | undefined {
    const found = this.buf.subarray(this.at, this.limit).indexOf(LF)
    const length = found < 0 ? this.limit - this.at : found
    if (length > MAX_INLINE_BYTES) return new ProtocolError('too big inline request')
    if (found < 0) return null
    const lineEnd = this.at + found
    const contentEnd = lineEnd > this.at && this.buf[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd
    const words = splitInline(this.buf.subarray(this.at, contentEnd))
    this.start = this.at = lineEnd + 1
    if (words === null) return new ProtocolError('unbalanced quotes in request')
    if (words.length === 0) return undefined
    return commandOf(words)
  }

  /** Reads digits up to a line end, from `from`; sets `lengthEnd` behind it. */
  private readLength(from: number): number {
    const { buf, limit } = this
    let at = from
    let value = 0
    const negative = at < limit && buf[at] === MINUS
    if (negative) at++
    const firstDigit = at
    while (at < limit) {
      const byte = buf[at]
      if (byte === CR) {
        if (at + 1 >= limit) return INCOMPLETE
        if (buf[at + 1] !== LF || at === firstDigit) return INVALID
        // No leading zeros, as in Redis's string2ll.
        if (buf[firstDigit] === 48 && (at - firstDigit > 1 || negative)) return INVALID
        this.lengthEnd = at + 2
        return negative ? -1 : value
      }
      if (byte < 48 || byte > 57 || at - firstDigit >= MAX_LENGTH_DIGITS) return INVALID
      value = value * 10 + byte - 48
      at++
    }
    return INCOMPLETE
  }
}

/** A request made of words instead of bytes off the wire. */
export function commandOf(words: readonly (Buffer | string)[]): Request {
  const bytes = encodeCommand(words)
  const offsets: number[] = []
  let at = bytes.indexOf(LF) + 1
  for (const word of words) {
    const from = bytes.indexOf(LF, at) + 1
    const length = typeof word === 'string' ? Buffer.byteLength(word) : word.length
    offsets.push(from, from + length)
    at = from + length + 2
  }
  return new Request(bytes, 0, bytes.length, null, offsets)
}

function printable(byte: number): string {
  // Line ends become spaces when the error is written, as in Redis.
  if (byte === CR || byte === LF) return String.fromCharCode(byte)
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
}
