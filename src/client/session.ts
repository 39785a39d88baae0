// One client connection: requests in, replies out in the same order, within limits.

import type { Socket } from 'node:net'
import type { Access } from '../commands/access.ts'
import type { EventRoute } from '../commands/event-routes.ts'
import { partialFailure } from '../commands/gather.ts'
import {
  PLAN_ANSWER,
  PLAN_GATHER,
  PLAN_LATER,
  PLAN_RELAY,
  PLAN_TRANSACTION,
  type Plan,
} from '../commands/plan.ts'
import type { Planner } from '../commands/planner.ts'
import type { SessionState } from '../commands/session-state.ts'
import type { ClientSubscriptions } from '../commands/subscription-state.ts'
import type { Logger } from '../observe/log.ts'
import { errorBytes, OK_REPLY, type Protocol } from '../resp/encode.ts'
import type { Message } from '../resp/pubsub.ts'
import type { Request } from '../resp/request.ts'
import { ProtocolError, RequestDecoder, type RequestLimits } from '../resp/request-decoder.ts'
import { SocketWriter } from '../socket-writer.ts'
import { CALL_SETTLED, type Call, type CallRouter, type PinnedLink } from '../upstream/call.ts'
import type { Gate } from '../upstream/gate.ts'
import { PartCall } from './part-call.ts'
import { ReplySlot, type ReplyTarget } from './reply-slot.ts'
import { Transaction, TransactionSlot } from './transaction.ts'

/** What bounds one client. */
export interface SessionLimits extends RequestLimits {
  /** Commands without a reply; beyond, nothing more is read until replies have come. */
  maxPipelineDepth: number
  /** Bytes of commands without a reply; beyond, as above. */
  maxPipelineBytes: number
  /** Bytes of replies the client has not taken; beyond, it is disconnected. */
  clientOutputBufferLimit: number
}

/** Where a session sends what is not answered here. */
export interface Dispatcher extends CallRouter {
  dispatch(call: Call): void
  readonly masterCount: number
  /** A connection of one client's own; null where nobody is known to serve the slot. */
  pin(slot: number, protocol: Protocol): PinnedLink | null
  /** Keeps the place of a call that is not ready to be sent; `release` sends it. */
  reserve(call: Call): void
  release(call: Call): void
}

export interface SessionOptions {
  id: number
  socket: Socket
  planner: Planner
  router: Dispatcher
  limits: SessionLimits
  /** Whether commands may come before a password. */
  authenticated: boolean
  log: Logger
  totals: { commands: number }
  onClose: (session: Session) => void
}

/** Names that web browsers begin with; a page must not be able to speak to us through them, as in Redis. */
const BROWSER_WORDS = /^(post|host:)$/i

/** A client connection. Created for an accepted socket, it lives until that is closed. */
export class Session implements SessionState, ReplyTarget {
  readonly id: number
  readonly address: string
  readonly localAddress: string
  readonly createdAt = Date.now()
  lastActiveAt = this.createdAt
  protocol: Protocol = 2
  user = 'default'
  access: Access | null = null
  name = ''
  libName = ''
  libVersion = ''
  lastCommand = ''
  gates: Map<number, Gate> | null = null
  subscriptions: ClientSubscriptions | null = null

  private readonly socket: Socket
  private readonly writer: SocketWriter
  private readonly decoder: RequestDecoder
  private readonly planner: Planner
  private readonly router: Dispatcher
  private readonly limits: SessionLimits
  private readonly log: Logger
  private readonly totals: { commands: number }
  private readonly onClose: (session: Session) => void
  /** Commands whose replies have not been written, oldest first. */
  private first: ReplySlot | null = null
  private last: ReplySlot | null = null
  private count = 0
  private bytes = 0
  /** Bytes of replies that are there and wait for their turn. */
  private held = 0
  private paused = false
  /** No more requests are taken: the client said so, or we do. */
  private ending = false
  private closed = false
  private decoding = false
  private inputEnded = false
  private linger: NodeJS.Timeout | null = null
  /** The commands since MULTI. */
  private transaction: Transaction | null = null
  /** The connection that WATCH went over, until EXEC. */
  private watched: { slot: number; link: PinnedLink } | null = null
  /** The command that blocks, while it does: no other is taken until it has its reply. */
  private blocked: ReplySlot | null = null
  /** Messages that came in the middle of a reply. */
  private messages: Buffer[] | null = null

  constructor(options: SessionOptions) {
    const { socket } = options
    this.id = options.id
    this.socket = socket
    this.writer = new SocketWriter(socket)
    this.decoder = new RequestDecoder(options.limits)
    this.decoder.authenticated = options.authenticated
    this.planner = options.planner
    this.router = options.router
    this.limits = options.limits
    this.log = options.log
    this.totals = options.totals
    this.onClose = options.onClose
    this.address = `${socket.remoteAddress}:${socket.remotePort}`
    this.localAddress = `${socket.localAddress}:${socket.localPort}`
    socket.on('data', (chunk: Buffer) => this.receive(chunk))
    socket.on('end', () => {
      this.inputEnded = true
      // Redis ends a blocked client as well; what it waits for must not be taken for nobody.
      if (this.blocked !== null) {
        this.destroy('left while blocked')
        return
      }
      // While paused, requests that have arrived still wait to be decoded.
      if (!this.paused) this.endAfterReplies()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => this.close(error.code ?? error.message))
    socket.on('close', () => this.close('closed by the client'))
  }

  get authenticated(): boolean {
    return this.decoder.authenticated
  }

  set authenticated(value: boolean) {
    this.decoder.authenticated = value
  }

  get pendingReplies(): number {
    return this.count
  }

  get unsentBytes(): number {
    return this.writer.unsent + this.held
  }

  /** Stops taking requests; the connection ends when all replies owed have been written. */
  endAfterReplies(): void {
    // What blocks may do so for ever; as in Redis, the end of the server is the end of the wait.
    if (this.blocked !== null) {
      this.destroy('blocked when the proxy stopped')
      return
    }
    this.ending = true
    this.socket.pause()
    if (this.count === 0) this.finish()
  }

  /** Ends the connection at once. */
  destroy(reason: string): void {
    if (this.closed) return
    this.log.info({ client: this.id, address: this.address, reason }, 'client disconnected')
    this.close(reason)
    this.socket.destroy()
  }

  unsettled(slot: number): Call[] {
    const calls: Call[] = []
    for (let entry = this.first; entry !== null; entry = entry.next) {
      if (entry.parts !== null) {
        calls.push(...entry.parts.filter((part) => part.slot === slot && part.state !== CALL_SETTLED))
        continue
      }
      if (entry.slot === slot && !entry.filled && entry.state !== CALL_SETTLED) calls.push(entry)
    }
    return calls
  }

  take(slot: ReplySlot, buf: Buffer, start: number, end: number): void {
    if (this.closed) return
    if (slot === this.first) {
      this.writer.add(buf, start, end)
      this.advance(slot)
    } else {
      slot.reply = buf
      slot.replyStart = start
      slot.replyEnd = end
      slot.filled = true
      this.hold(end - start)
    }
  }

  takePart(slot: ReplySlot, buf: Buffer, start: number, end: number, last: boolean): void {
    if (this.closed) return
    if (slot === this.first) {
      this.writePieces(slot)
      this.writer.add(buf, start, end)
      if (last) this.advance(slot)
      else this.checkOutput()
    } else {
      slot.pieces ??= []
      slot.pieces.push(buf.subarray(start, end))
      slot.filled = last
      this.hold(end - start)
    }
  }

  push(message: Message): void {
    const { first } = this
    // A HELLO that has been taken changes nothing for what stands before its reply.
    const frame = message.bytes(first === null ? this.protocol : first.protocol)
    if (first?.begun) {
      this.messages ??= []
      this.messages.push(frame)
      this.hold(frame.length)
      return
    }
    this.writer.add(frame, 0, frame.length)
    this.checkOutput()
  }

  replan(slot: ReplySlot): boolean {
    const { request, event } = slot
    if (request === null || event === null) return false
    ;(event as EventRoute).streams = true
    load(slot, this.planner.plan(request, this))
    return true
  }

  breakOff(reason: string): void {
    this.destroy(reason)
  }

  private receive(chunk: Buffer): void {
    if (this.ending) return
    this.decoder.push(chunk)
    if (this.blocked !== null && this.decoder.heldBytes > this.limits.maxPipelineBytes) {
      this.destroy('sent too much while blocked')
      return
    }
    this.decode()
  }

  /** Takes requests until there are no more, or too many wait for their replies. */
  private decode(): void {
    // A local answer can bring us back here through `advance`.
    if (this.decoding) return
    this.decoding = true
    while (!this.ending && !this.closed && this.blocked === null) {
      if (this.count >= this.limits.maxPipelineDepth || this.bytes >= this.limits.maxPipelineBytes) {
        this.pause()
        break
      }
      const decoded = this.decoder.next()
      if (decoded === null) break
      if (decoded instanceof ProtocolError) {
        this.log.info({ client: this.id, address: this.address, reason: decoded.message }, 'protocol error')
        this.answer(errorBytes(`ERR ${decoded.message}`), true)
        break
      }
      this.handle(decoded)
    }
    this.decoding = false
  }

  private handle(request: Request): void {
    this.totals.commands++
    if (this.first === null) this.lastActiveAt = Date.now()
    const nameLength = request.argLength(0)
    if ((nameLength === 4 || nameLength === 5) && BROWSER_WORDS.test(request.text(0))) {
      this.log.warn({ client: this.id, address: this.address }, 'a web browser speaks to us, closing')
      this.destroy('possible cross-protocol attack')
      return
    }
    if (this.transaction !== null) {
      this.enqueue(request, this.transaction)
      return
    }
    // A reply switches the protocol for what comes after it, so the plan is made before its slot.
    const plan = this.planner.plan(request, this)
    if (plan.kind === PLAN_ANSWER) this.answer(plan.answer, plan.close)
    else if (plan.kind === PLAN_TRANSACTION) this.transact(request, plan)
    else this.forward(request, plan)
  }

  /** Takes a command that stands between MULTI and EXEC. */
  private enqueue(request: Request, transaction: Transaction): void {
    const plan = this.planner.planQueued(request, this)
    if (plan.kind === PLAN_TRANSACTION && plan.verb !== 'unwatch') {
      this.transact(request, plan)
      return
    }
    let refusal = plan.kind === PLAN_ANSWER ? plan.answer : null
    if (refusal === null && transaction.bytes + request.byteLength > this.limits.maxRequestBytes)
      refusal = TOO_LARGE
    if (refusal === null && !transaction.add(request, plan)) refusal = CROSS_SLOT_REPLY
    if (refusal !== null) transaction.failed = true
    this.answer(refusal ?? QUEUED, false)
  }

  /** Carries out MULTI, EXEC, DISCARD, WATCH or UNWATCH; and what ends a transaction besides. */
  private transact(request: Request, plan: Plan): void {
    const { transaction } = this
    switch (plan.verb) {
      case 'multi':
        if (transaction === null) this.transaction = new Transaction()
        this.answer(transaction === null ? OK_REPLY : NESTED, false)
        break
      case 'exec':
        this.transaction = null
        if (transaction === null) this.answer(EXEC_WITHOUT_MULTI, false)
        else this.execute(transaction)
        break
      case 'discard':
        if (transaction !== null) this.endTransaction()
        this.answer(transaction === null ? DISCARD_WITHOUT_MULTI : OK_REPLY, false)
        break
      case 'watch':
        if (transaction === null) this.watchKeys(request, plan)
        else this.answer(WATCH_INSIDE_MULTI, false)
        break
      case 'unwatch':
        this.endTransaction()
        this.answer(OK_REPLY, false)
        break
      default:
        this.endTransaction()
        this.handle(request)
    }
  }

  private execute(transaction: Transaction): void {
    if (transaction.failed) {
      this.endTransaction()
      this.answer(EXECABORT, false)
      return
    }
    if (transaction.count === 0 && this.watched === null) {
      this.answer(EMPTY_ARRAY, false)
      return
    }
    const wire = transaction.seal()
    const slot = new TransactionSlot(
      this,
      this.router,
      wire,
      0,
      wire.length,
      null,
      this.watched?.slot ?? transaction.slot,
      this.protocol,
      true,
    )
    slot.replies = transaction.count + 2
    slot.via = this.watched?.link ?? null
    this.watched = null
    if (slot.via !== null && transaction.slot >= 0 && transaction.slot !== slot.slot) {
      slot.via.close('the transaction is over')
      this.answer(CROSS_SLOT_REPLY, false)
      return
    }
    this.append(slot)
    this.router.dispatch(slot)
  }

  /** Watches on a connection of the client's own: what is watched belongs to a connection. */
  private watchKeys(request: Request, plan: Plan): void {
    if (this.watched !== null && this.watched.slot !== plan.slot) {
      this.answer(CROSS_SLOT_REPLY, false)
      return
    }
    if (this.watched === null) {
      const link = this.router.pin(plan.slot, this.protocol)
      if (link !== null) this.watched = { slot: plan.slot, link }
    }
    this.forward(request, { ...plan, kind: PLAN_RELAY })
  }

  /** Forgets what was queued and what was watched. */
  private endTransaction(): void {
    this.transaction = null
    this.watched?.link.close('no longer watching')
    this.watched = null
  }

  private answer(bytes: Buffer, closes: boolean): void {
    if (closes) this.ending = true
    if (this.first === null) {
      this.writer.add(bytes, 0, bytes.length)
      this.checkOutput()
      if (closes) this.finish()
      return
    }
    const slot = new ReplySlot(this, this.router, bytes, 0, 0, null, -1, this.protocol, false)
    slot.state = CALL_SETTLED
    slot.filled = true
    slot.reply = bytes
    slot.replyEnd = bytes.length
    slot.closes = closes
    this.append(slot)
    this.hold(bytes.length)
  }

  private forward(request: Request, plan: Plan): void {
    const slot = new ReplySlot(
      this,
      this.router,
      request.head,
      request.start,
      request.end,
      request.rest,
      plan.slot,
      this.protocol,
      plan.write,
    )
    this.append(slot)
    if (plan.kind === PLAN_LATER) {
      this.router.reserve(slot)
      // What the client sends behind its SUBSCRIBE may cause a message that it expects to get.
      if (this.subscriptions?.opening) this.blocked = slot
      plan.later!.then(
        (ready) => this.sendReserved(slot, ready, request),
        (error: Error) => this.breakOff(`a plan could not be made: ${error.message}`),
      )
      return
    }
    if (plan.kind === PLAN_GATHER) {
      this.sendParts(slot, plan)
      return
    }
    load(slot, plan)
    // What is read while watching has to come after the watch, so it takes the same way.
    if (this.watched !== null && plan.slot === this.watched.slot) slot.via = this.watched.link
    if (plan.blocks) {
      slot.blocks = true
      this.blocked = slot
    }
    if (plan.event !== null) slot.request = request
    this.router.dispatch(slot)
  }

  /** Sends the parts of a command; the last of their replies fills the slot. */
  private sendParts(slot: ReplySlot, { gather, write }: Plan): void {
    const { parts: given, wire, merge } = gather!
    const parts =
      given ?? Array.from({ length: this.router.masterCount }, (_, master) => ({ slot: -1, master, wire }))
    const frames: Buffer[] = new Array(parts.length)
    let owed = parts.length
    const collector = {
      collect: (index: number, frame: Buffer): void => {
        frames[index] = frame
        if (--owed > 0) return
        const errors = frames.filter(isError)
        const reply = errors.length === 0 ? merge(frames) : partialFailure(errors, parts.length, write)
        slot.state = CALL_SETTLED
        this.take(slot, reply, 0, reply.length)
      },
      breakOff: (reason: string): void => this.breakOff(reason),
    }
    const calls = parts.map((part, index) => {
      // Calls for a certain master have a lane of their own: no slot has a negative number.
      const lane = part.master >= 0 ? -2 - part.master : part.slot
      const call = new PartCall(collector, index, this, this.router, part.wire, lane, this.protocol, write)
      call.master = part.master
      return call
    })
    slot.parts = calls
    for (const call of calls) this.router.dispatch(call)
  }

  private sendReserved(slot: ReplySlot, plan: Plan, request: Request): void {
    if (plan.kind === PLAN_ANSWER) {
      slot.settle(plan.answer, 0, plan.answer.length)
      return
    }
    load(slot, plan)
    if (plan.event !== null) slot.request = request
    this.router.release(slot)
  }

  private append(slot: ReplySlot): void {
    if (this.last === null) this.first = slot
    else this.last.next = slot
    this.last = slot
    slot.size = slot.byteLength
    this.count++
    this.bytes += slot.size
  }

  /** The oldest reply has been written; so may those be that wait behind it. */
  private advance(written: ReplySlot): void {
    let slot: ReplySlot | null = written
    do {
      this.count--
      this.bytes -= slot.size
      if (this.messages !== null) this.writeMessages()
      if (slot === this.blocked) this.unblock()
      if (slot.closes) {
        this.first = this.last = null
        this.finish()
        return
      }
      slot = slot.next
      this.first = slot
      if (slot === null) {
        this.last = null
        break
      }
      this.writePieces(slot)
      if (slot.filled && slot.replyEnd > slot.replyStart) {
        this.writer.add(slot.reply, slot.replyStart, slot.replyEnd)
        this.held -= slot.replyEnd - slot.replyStart
      }
    } while (slot.filled)
    this.checkOutput()
    if (this.paused && this.count <= this.limits.maxPipelineDepth >> 1) this.resume()
    if (this.ending && this.count === 0) this.finish()
  }

  private writeMessages(): void {
    for (const frame of this.messages!) {
      this.writer.add(frame, 0, frame.length)
      this.held -= frame.length
    }
    this.messages = null
  }

  private writePieces(slot: ReplySlot): void {
    if (slot.pieces === null) return
    for (const piece of slot.pieces) {
      this.writer.add(piece, 0, piece.length)
      this.held -= piece.length
    }
    slot.pieces = null
  }

  /** Counts a reply that came before its turn: it is the client's as much as those that it does not take. */
  private hold(bytes: number): void {
    this.held += bytes
    this.checkOutput()
  }

  private checkOutput(): void {
    if (this.unsentBytes > this.limits.clientOutputBufferLimit) {
      this.destroy('client output buffer limit reached')
    }
  }

  /** Goes on with what came while the client was blocked, in a turn of its own. */
  private unblock(): void {
    this.blocked = null
    this.subscriptions?.activate()
    setImmediate(() => this.decode())
  }

  private pause(): void {
    if (this.paused) return
    this.paused = true
    this.socket.pause()
  }

  private resume(): void {
    if (this.bytes >= this.limits.maxPipelineBytes && this.count > 0) return
    this.paused = false
    // In a turn of its own: we may be deep inside the delivery of replies.
    setImmediate(() => {
      if (this.closed || this.ending) return
      this.decode()
      if (this.paused) return
      if (this.inputEnded) this.endAfterReplies()
      else this.socket.resume()
    })
  }

  /** Writes what is left and closes. */
  private finish(): void {
    if (this.closed) return
    this.writer.flush()
    this.socket.end()
    // A client that never reads its last replies must not keep the connection for ever.
    this.linger = setTimeout(() => this.destroy('did not take its last replies'), LINGER_MS)
    this.socket.resume()
  }

  private close(reason: string): void {
    if (this.closed) return
    this.closed = true
    if (this.linger !== null) clearTimeout(this.linger)
    this.log.debug({ client: this.id, reason }, 'client closed')
    this.endTransaction()
    this.subscriptions?.leaveAll()
    if (this.blocked !== null) {
      // No other attempt: nobody waits for it.
      this.blocked.deadline = 1
      this.blocked.ownLink?.close('its client left')
    }
    // Replies that are still to come find no client and are dropped in their turn.
    this.first = this.last = null
    this.count = 0
    this.held = 0
    this.onClose(this)
  }
}

const LINGER_MS = 5000
const MINUS = 45

const QUEUED = Buffer.from('+QUEUED\r\n')
const EMPTY_ARRAY = Buffer.from('*0\r\n')
const NESTED = errorBytes('ERR MULTI calls can not be nested')
const EXEC_WITHOUT_MULTI = errorBytes('ERR EXEC without MULTI')
const DISCARD_WITHOUT_MULTI = errorBytes('ERR DISCARD without MULTI')
const WATCH_INSIDE_MULTI = errorBytes('ERR WATCH inside MULTI is not allowed')
const EXECABORT = errorBytes('EXECABORT Transaction discarded because of previous errors.')
const CROSS_SLOT_REPLY = errorBytes("CROSSSLOT Keys in request don't hash to the same slot")
const TOO_LARGE = errorBytes('ERR the transaction is too large')

function isError(frame: Buffer): boolean {
  return frame[0] === MINUS
}

/** Gives a slot what its plan says beyond the request's own bytes. */
function load(slot: ReplySlot, plan: Plan): void {
  const { wire } = plan
  if (wire !== null) {
    slot.head = wire
    slot.start = 0
    slot.end = wire.length
    slot.rest = null
  }
  slot.rewrite = plan.rewrite
  slot.script = plan.script
  slot.event = plan.event
  if (plan.requestIdAt >= 0) {
    slot.requestIdAt = plan.requestIdAt
    slot.repeatable = true
  }
}
