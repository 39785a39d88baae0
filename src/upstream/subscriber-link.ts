// One connection to one node that does nothing but subscribe: channels in, confirmations and messages out.

import { createConnection, type Socket } from 'node:net'
import { encodeCommand } from '../resp/encode.ts'
import {
  MESSAGE_WORDS,
  readPush,
  SHARD,
  SUBSCRIBE_WORDS,
  type TopicKind,
  UNSUBSCRIBE_WORDS,
} from '../resp/pubsub.ts'
import { FRAME_COMPLETE, FRAME_INVALID, FrameScanner } from '../resp/reply-frames.ts'
import { SocketWriter } from '../socket-writer.ts'
import type { UpstreamTls } from './secure.ts'

/** Something to subscribe to. */
export interface LinkTopic {
  readonly kind: TopicKind
  /** One character a byte. */
  readonly name: string
}

export interface SubscriberLinkOptions<T extends LinkTopic> {
  host: string
  port: number
  tls: UpstreamTls | null
  username: string | undefined
  password: string | undefined
  connectTimeoutMs: number
  /** Given up when it owes an answer and is silent this long; asked for a sign of life twice as often. */
  timeoutMs: number
  onUp: () => void
  /** Told once, and not after `close`. */
  onDown: (reason: string) => void
  onConfirmed: (topic: T) => void
  /** The node's error, without the `-`. */
  onRefused: (topic: T, error: string) => void
  /** The node ended the subscription to a shard channel: its slot is elsewhere now. */
  onTaken: (name: string) => void
  /** A message, as the whole frame. `name` is the channel's, or the pattern's. */
  onMessage: (kind: TopicKind, name: string, frame: Buffer) => void
}

/** What the node owes; it answers in order. */
interface Owed<T> {
  /** The word its confirmation begins with; empty for an ordinary reply. */
  word: string
  name: string
  topic: T | null
}

const CONNECTION_NAME = 'tq-proxy-subscriber'
const PING = encodeCommand(['PING'])
const NOTHING = Buffer.alloc(0)
const MINUS = 45
const LEFT = 62

/** Connects at once and lives until it is closed or lost; there is no second attempt. */
export class SubscriberLink<T extends LinkTopic> {
  private readonly options: SubscriberLinkOptions<T>
  private readonly socket: Socket
  private readonly writer: SocketWriter
  private readonly scanner = new FrameScanner()
  private readonly heartbeat: NodeJS.Timeout
  private readonly connectTimer: NodeJS.Timeout
  private greeted = false
  private over = false
  private activeAt = 0
  private waiting: T[] = []
  private owed: Owed<T>[] = []
  /** A frame that has not come to its end, in pieces; large messages are joined once. */
  private pieces: Buffer[] = []
  /** Bytes behind the pieces that the scanner has to see again. */
  private tail: Buffer = NOTHING

  constructor(options: SubscriberLinkOptions<T>) {
    this.options = options
    const { host, port, tls, connectTimeoutMs, timeoutMs } = options
    this.socket =
      tls === null
        ? createConnection({ host, port, noDelay: true, keepAlive: true })
        : tls.connect(host, port)
    this.writer = new SocketWriter(this.socket)
    this.socket.once(tls === null ? 'connect' : 'secureConnect', () => this.greet())
    this.socket.on('data', (chunk: Buffer) => this.receive(chunk))
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.lose(error.code ?? error.message))
    this.socket.once('close', () => this.lose('closed by the node'))
    this.connectTimer = setTimeout(
      () => this.lose(`no connection within ${connectTimeoutMs} ms`),
      connectTimeoutMs,
    )
    this.heartbeat = setInterval(() => this.beat(), timeoutMs / 2)
    this.heartbeat.unref()
  }

  /** Subscribes; the answer comes as `onConfirmed` or `onRefused`, or not at all where the link is lost. */
  subscribe(topic: T): void {
    if (!this.greeted) {
      this.waiting.push(topic)
      return
    }
    this.say(SUBSCRIBE_WORDS[topic.kind], topic.name, topic)
  }

  /** Unsubscribes. */
  unsubscribe(topic: T): void {
    if (this.greeted) this.say(UNSUBSCRIBE_WORDS[topic.kind], topic.name, null)
    else this.waiting = this.waiting.filter((other) => other !== topic)
  }

  /** Ends the connection. */
  close(): void {
    if (this.over) return
    this.over = true
    clearInterval(this.heartbeat)
    clearTimeout(this.connectTimer)
    this.socket.destroy()
  }

  /** One command a topic, so that an error says which one it is about. */
  private say(word: string, name: string, topic: T | null): void {
    this.write(encodeCommand([word.toUpperCase(), Buffer.from(name, 'latin1')]), { word, name, topic })
  }

  private write(bytes: Buffer, owed: Owed<T>): void {
    if (this.owed.length === 0) this.activeAt = performance.now()
    this.owed.push(owed)
    this.writer.add(bytes, 0, bytes.length)
  }

  private greet(): void {
    const { username, password } = this.options
    const auth = password === undefined ? [] : ['AUTH', username ?? 'default', password]
    const hello = encodeCommand(['HELLO', '3', ...auth, 'SETNAME', CONNECTION_NAME])
    this.write(hello, { word: '', name: '', topic: null })
  }

  private open(): void {
    this.greeted = true
    clearTimeout(this.connectTimer)
    this.options.onUp()
    const { waiting } = this
    this.waiting = []
    for (const topic of waiting) this.subscribe(topic)
  }

  /** Nothing may come for hours on a link that is well, so it is asked now and then. */
  private beat(): void {
    if (!this.greeted) return
    if (this.owed.length === 0) this.write(PING, { word: '', name: '', topic: null })
    else if (performance.now() - this.activeAt > this.options.timeoutMs)
      this.lose(`no answer for ${this.options.timeoutMs} ms`)
  }

  private receive(chunk: Buffer): void {
    this.activeAt = performance.now()
    const { scanner } = this
    const buf = this.tail.length > 0 ? Buffer.concat([this.tail, chunk]) : chunk
    this.tail = NOTHING
    let begin = 0
    while (begin < buf.length && !this.over) {
      const result = scanner.scan(buf, begin)
      if (result === FRAME_INVALID) {
        this.lose('bytes that are no reply')
        return
      }
      const part = buf.subarray(begin, scanner.at)
      if (result !== FRAME_COMPLETE) {
        this.pieces.push(part)
        this.tail = buf.subarray(scanner.at)
        return
      }
      begin = scanner.at
      if (this.pieces.length === 0) this.take(part)
      else {
        const frame = Buffer.concat([...this.pieces, part])
        this.pieces = []
        this.take(frame)
      }
    }
  }

  private take(frame: Buffer): void {
    if (frame[0] !== LEFT) {
      this.answered(frame)
      return
    }
    const { word, name } = readPush(frame)
    const kind = MESSAGE_WORDS.indexOf(word as (typeof MESSAGE_WORDS)[number])
    if (kind >= 0) {
      this.options.onMessage(kind as TopicKind, name ?? '', frame)
      return
    }
    const next = this.owed[0]
    if (next !== undefined && next.word === word && next.name === name) {
      this.owed.shift()
      if (next.topic !== null) this.options.onConfirmed(next.topic)
    } else if (word === UNSUBSCRIBE_WORDS[SHARD] && name !== null) {
      this.options.onTaken(name)
    } else {
      // A new connection puts right whatever we have misunderstood.
      this.lose('a confirmation that nobody asked for')
    }
  }

  /** An ordinary reply: to HELLO or PING, or an error. */
  private answered(frame: Buffer): void {
    const next = this.owed.shift()
    const error = frame[0] === MINUS ? frame.toString('latin1', 1, frame.length - 2) : null
    if (!this.greeted) {
      if (error !== null) this.lose(error)
      else this.open()
    } else if (next === undefined || (error === null && next.word !== '')) {
      this.lose('a reply that nobody asked for')
    } else if (error !== null && next.topic !== null) {
      this.options.onRefused(next.topic, error)
    }
  }

  private lose(reason: string): void {
    if (this.over) return
    this.close()
    this.options.onDown(reason)
  }
}
