// One multiplexed, pipelined connection to one node: commands in, replies out in the same order.

import { createConnection, type Socket } from 'node:net'
import Parser from 'redis-parser'
import { encodeCommand, type Protocol } from '../resp/encode.ts'
import { FRAME_COMPLETE, FRAME_INVALID, FrameScanner } from '../resp/reply-frames.ts'
import { SocketWriter } from '../socket-writer.ts'
import { CALL_SENT, type Call } from './call.ts'
import { CallQueue } from './call-queue.ts'
import type { UpstreamTls } from './secure.ts'

/** How a link reaches its node and what it says first. */
export interface LinkOptions {
  host: string
  port: number
  /** Null: plain TCP. */
  tls: UpstreamTls | null
  protocol: Protocol
  username: string | undefined
  password: string | undefined
  connectTimeoutMs: number
  /** Never connects again after a loss: what the connection stood for is gone with it. */
  once: boolean
  /** Scripts that every connection to a master loads before its first command. */
  scriptBodies: readonly string[]
  /** Told of each connection, and of each end with its reason. */
  onUp: () => void
  onDown: (reason: string) => void
}

/** A reply larger than this is passed on in pieces as it arrives. */
const LARGE_REPLY_BYTES = 64 * 1024
const BACKOFF_FIRST_MS = 20
const BACKOFF_MAX_MS = 1000
/** The name our connections have in the node's CLIENT LIST. */
const CONNECTION_NAME = 'tq-proxy'

const ASKING = encodeCommand(['ASKING'])

/**
 * A link connects when the first call comes, and again, with backoff, when one comes after a loss. While it
 * cannot connect, calls are handed back at once as lost and unwritten; the router decides what becomes of them.
 */
export class Link {
  private readonly options: LinkOptions
  private socket: Socket | null = null
  private writer: SocketWriter | null = null
  private ready = false
  /** Calls that came before the connection was ready. */
  private waiting: Call[] = []
  private inflight = new CallQueue()
  private scanner = new FrameScanner()
  /** Bytes of a reply that is not complete yet. */
  private carry: Buffer | null = null
  /** Whether the current reply is being passed on in pieces. */
  private streaming = false
  private failures = 0
  private retryAt = 0
  /** When bytes last came in, or the first of the owed replies was asked for; performance.now(). */
  private activeAt = 0
  private closed = false
  private single = false
  /** Whether its silence is no sign of trouble: it serves a command that blocks. */
  patient = false

  constructor(options: LinkOptions) {
    this.options = options
  }

  /** Commands sent whose replies are owed, and commands that wait for the connection. */
  get depth(): number {
    return this.inflight.length + this.waiting.length
  }

  /** Sends `call`; where its `asking` is set, the node is told first that the slot is on its way to it. */
  send(call: Call): void {
    call.state = CALL_SENT
    if (this.ready) {
      this.transmit(call)
      return
    }
    if (this.socket === null) {
      if (this.closed || performance.now() < this.retryAt) {
        call.router.lost(call, false)
        return
      }
      this.connect()
    }
    this.waiting.push(call)
  }

  /** Sends one call over a connection that serves nothing else, and ends it after the reply. */
  sendAlone(call: Call): void {
    this.single = true
    this.patient = call.blocks
    this.send(call)
  }

  /** Gives the link up if it owes replies and has been silent too long. Called now and then by its owner. */
  checkStall(now: number, silenceMs: number): void {
    if (this.ready && this.inflight.length > 0 && now - this.activeAt > silenceMs) {
      this.drop(`no reply for ${silenceMs} ms`)
    }
  }

  /** Closes for good; calls still owed are lost. */
  close(reason: string): void {
    this.closed = true
    this.drop(reason)
  }

  private transmit(call: Call): void {
    if (this.inflight.length === 0) this.activeAt = performance.now()
    const writer = this.writer!
    if (call.asking) {
      call.asking = false
      writer.add(ASKING, 0, ASKING.length)
      this.inflight.push(null)
    }
    writer.add(call.head, call.start, call.end)
    if (call.rest !== null) for (const part of call.rest) writer.add(part, 0, part.length)
    for (let owed = call.replies; owed > 0; owed--) this.inflight.push(call)
  }

  private connect(): void {
    const { host, port, tls, connectTimeoutMs } = this.options
    const socket =
      tls === null
        ? createConnection({ host, port, noDelay: true, keepAlive: true })
        : tls.connect(host, port)
    this.socket = socket
    this.writer = new SocketWriter(socket)
    const timer = setTimeout(() => this.drop(`no connection within ${connectTimeoutMs} ms`), connectTimeoutMs)
    socket.once(tls === null ? 'connect' : 'secureConnect', () => this.greet(socket, timer))
    socket.once('error', (error: NodeJS.ErrnoException) => this.drop(error.code ?? error.message, socket))
    socket.once('close', () => {
      clearTimeout(timer)
      this.drop('closed by the node', socket)
    })
  }

  /** Says who we are and loads the scripts; only then do clients' commands follow. */
  private greet(socket: Socket, timer: NodeJS.Timeout): void {
    const { protocol, username, password, scriptBodies } = this.options
    const greetings: string[][] = []
    if (password !== undefined) {
      greetings.push(username === undefined ? ['AUTH', password] : ['AUTH', username, password])
    }
    greetings.push(['CLIENT', 'SETNAME', CONNECTION_NAME])
    for (const body of scriptBodies) greetings.push(['SCRIPT', 'LOAD', body])
    let owed = greetings.length
    let failure: string | null = null
    const answered = (error: Error | null): void => {
      owed--
      // A script that does not load is repaired when it is called; a refused password is not.
      if (
        error !== null &&
        /^(NOAUTH|WRONGPASS|NOPERM|ERR invalid password|ERR .*AUTH)/.test(error.message)
      ) {
        failure ??= error.message
      }
      if (owed > 0) return
      if (failure !== null) {
        this.drop(failure)
        return
      }
      socket.off('data', onData)
      if (protocol === 3) this.switchProtocol(socket, timer)
      else this.open(socket, timer)
    }
    const parser = new Parser({
      returnReply: () => answered(null),
      returnError: (error) => answered(error),
      returnFatalError: (error) => this.drop(error.message),
    })
    const onData = (chunk: Buffer): void => parser.execute(chunk)
    socket.on('data', onData)
    for (const words of greetings) {
      const bytes = encodeCommand(words)
      this.writer!.add(bytes, 0, bytes.length)
    }
  }

  private switchProtocol(socket: Socket, timer: NodeJS.Timeout): void {
    const scanner = new FrameScanner()
    let held: Buffer = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      held = Buffer.concat([held, chunk])
      const result = scanner.scan(held, scanner.at)
      if (result === FRAME_INVALID || held[0] === 45)
        this.drop(`HELLO 3 refused: ${held.toString('latin1', 0, 100)}`)
      else if (result === FRAME_COMPLETE) {
        socket.off('data', onData)
        this.open(socket, timer)
      }
    }
    socket.on('data', onData)
    const hello = encodeCommand(['HELLO', '3'])
    this.writer!.add(hello, 0, hello.length)
  }

  private open(socket: Socket, timer: NodeJS.Timeout): void {
    clearTimeout(timer)
    this.ready = true
    this.failures = 0
    this.activeAt = performance.now()
    socket.on('data', (chunk: Buffer) => this.receive(chunk))
    this.options.onUp()
    const waiting = this.waiting
    this.waiting = []
    for (const call of waiting) this.transmit(call)
  }

  private receive(chunk: Buffer): void {
    this.activeAt = performance.now()
    const { scanner } = this
    let buf = chunk
    let start = 0
    let at = 0
    if (this.carry !== null) {
      buf = Buffer.concat([this.carry, chunk])
      at = scanner.at
      this.carry = null
    }
    while (at < buf.length) {
      const result = scanner.scan(buf, at)
      if (result === FRAME_COMPLETE) {
        at = scanner.at
        if (!this.complete(buf, start, at)) return
        start = at
        continue
      }
      if (result === FRAME_INVALID) {
        this.drop('bytes that are no reply')
        return
      }
      this.keepPartial(buf, start)
      return
    }
  }

  /** Hands over one whole frame (or the last piece of one); false where the link had to be given up. */
  private complete(buf: Buffer, start: number, end: number): boolean {
    if (this.scanner.push) return true
    if (this.inflight.length === 0) {
      this.drop('a reply that nobody asked for')
      return false
    }
    const call = this.inflight.shift()
    if (this.streaming) {
      this.streaming = false
      call?.onReplyPart(buf, start, end, true)
    } else {
      call?.onReply(buf, start, end)
    }
    if (this.single && this.inflight.length === 0) this.close('done')
    return this.socket !== null
  }

  /** Sets the beginning of an incomplete frame aside, or passes it on where the frame is a large one. */
  private keepPartial(buf: Buffer, start: number): void {
    const { scanner } = this
    const large = this.streaming || scanner.at - start + scanner.payloadLeft > LARGE_REPLY_BYTES
    if (large && !scanner.push && this.inflight.length > 0 && scanner.at > start) {
      this.streaming = true
      this.inflight.peek()?.onReplyPart(buf, start, scanner.at, false)
      this.carry = scanner.at < buf.length ? buf.subarray(scanner.at) : null
      scanner.at = 0
      return
    }
    this.carry = buf.subarray(start)
    scanner.at -= start
  }

  /** Ends the connection and hands back what it owes. */
  private drop(reason: string, only: Socket | null = this.socket): void {
    const socket = this.socket
    // Late events of a socket that was already given up change nothing.
    if (socket === null || only !== socket) return
    this.socket = null
    this.writer = null
    this.ready = false
    this.carry = null
    this.streaming = false
    this.scanner = new FrameScanner()
    socket.removeAllListeners('data')
    socket.on('error', () => {})
    socket.destroy()
    if (this.options.once) this.closed = true
    this.failures++
    const backoff = Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(this.failures - 1, 10), BACKOFF_MAX_MS)
    this.retryAt = performance.now() + backoff * (0.5 + Math.random() / 2)
    const { inflight, waiting } = this
    this.inflight = new CallQueue()
    this.waiting = []
    this.options.onDown(reason)
    while (inflight.length > 0) {
      const call = inflight.shift()
      // A call that is owed several replies is lost once.
      if (call !== null && call !== inflight.next()) call.router.lost(call, true)
    }
    for (const call of waiting) call.router.lost(call, false)
  }
}
