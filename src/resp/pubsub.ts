// The frames of pub/sub: confirmations written, messages and confirmations read.

import type { Protocol } from './encode.ts'

export const CHANNEL = 0
export const PATTERN = 1
export const SHARD = 2
/** What can be subscribed to. Channels and patterns are counted together, shard channels by themselves. */
export type TopicKind = typeof CHANNEL | typeof PATTERN | typeof SHARD

/** By kind; the words that commands and confirmations have in common. */
export const SUBSCRIBE_WORDS = ['subscribe', 'psubscribe', 'ssubscribe'] as const
export const UNSUBSCRIBE_WORDS = ['unsubscribe', 'punsubscribe', 'sunsubscribe'] as const
/** By kind; what a message begins with. */
export const MESSAGE_WORDS = ['message', 'pmessage', 'smessage'] as const

const LF = 10
const DOLLAR = 36
const STAR = 42

/** A message of the upstream, for clients of both protocol versions. */
export class Message {
  private readonly resp3: Buffer
  private resp2: Buffer | null = null

  /** @param frame the push frame as the node sent it */
  constructor(frame: Buffer) {
    this.resp3 = frame
  }

  /** The bytes for a client; those of RESP2 are made once, and differ in the first only. */
  bytes(protocol: Protocol): Buffer {
    if (protocol === 3) return this.resp3
    if (this.resp2 === null) {
      this.resp2 = Buffer.from(this.resp3)
      this.resp2[0] = STAR
    }
    return this.resp2
  }
}

/** The first two elements of a push frame, one character a byte; `name` is null where it is none or nil. */
export function readPush(frame: Buffer): { word: string; name: string | null } {
  let at = frame.indexOf(LF) + 1
  const bulk = (): string | null => {
    if (at >= frame.length || frame[at] !== DOLLAR) return null
    const from = frame.indexOf(LF, at) + 1
    const length = Number(frame.toString('latin1', at + 1, from - 2))
    at = from + length + 2
    return frame.toString('latin1', from, from + length)
  }
  return { word: bulk() ?? '', name: bulk() }
}

/** What a client is told of one channel. `name` has one character a byte; null: there was nothing to leave. */
export function confirmation(protocol: Protocol, word: string, name: string | null, count: number): Buffer {
  const type = protocol === 3 ? '>' : '*'
  const nil = protocol === 3 ? '_' : '$-1'
  const bulk = name === null ? nil : `$${name.length}\r\n${name}`
  return Buffer.from(`${type}3\r\n$${word.length}\r\n${word}\r\n${bulk}\r\n:${count}\r\n`, 'latin1')
}
