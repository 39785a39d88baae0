// Sends each call to the node that owns its slot, and again elsewhere when the cluster says so.

import type { Logger } from '../observe/log.ts'
import { errorBytes, type Protocol } from '../resp/encode.ts'
import { asEval } from '../resp/eval-form.ts'
import { parseRedirection } from '../routing/redirection.ts'
import { SlotMap } from '../routing/slot-map.ts'
import { CALL_HELD, CALL_SETTLED, type Call, type CallRouter, type PinnedLink } from './call.ts'
import { Gate } from './gate.ts'
import { type LinkDefaults, splitAddress, UpstreamNode } from './node.ts'

export interface RouterOptions {
  link: LinkDefaults
  /** How long a command may be sent again before its client gets the error; counted from the first failure. */
  retryDeadlineMs: number
  /** Commands that may wait to be sent again at the same time, over all clients. */
  maxRetrying: number
  log: Logger
  /** Makes the keys of a call's `event`, one by one. */
  openEvent: (event: object) => Promise<void>
  /** Asks for a fresh look at the topology; cheap to call often. */
  refreshTopology: () => void
}

/** From this size on a command goes over a connection of its own. */
const SEPARATE_BYTES = 1024 * 1024
const STALL_CHECK_MS = 250
/** A node that is no master any more and stays silent this long gives back what it owes. */
const RETIRED_SILENCE_MS = 1000
const RETRY_FIRST_MS = 10
const RETRY_MAX_MS = 200
/** Redirections without a pause; more of them mean the cluster has not settled yet. */
const FREE_HOPS = 5

/** Not executed by the node that said so: sending it again is safe, and after a while may succeed. */
const TRY_LATER = new Set(['TRYAGAIN', 'CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'READONLY'])

/** The first byte of a request id that may have been seen before. */
const REPEATED = '2'.charCodeAt(0)

function isLarge(call: Call): boolean {
  return call.byteLength >= SEPARATE_BYTES
}

/** The router. One per proxy. */
export class Router implements CallRouter {
  readonly slots = new SlotMap<UpstreamNode>()
  /** Why nothing can be sent while no topology is known: an error reply's text. */
  unavailable = 'CLUSTERDOWN The upstream Redis has not been reached yet'

  private readonly options: RouterOptions
  private readonly nodes = new Map<string, UpstreamNode>()
  /** Nodes that serve nothing any more and still owe replies. */
  private readonly retired = new Set<UpstreamNode>()
  private readonly stallTimer: NodeJS.Timeout
  private retrying = 0
  private closed = false
  private readonly transmit = (call: Call): void => this.send(call)

  constructor(options: RouterOptions) {
    this.options = options
    this.stallTimer = setInterval(() => {
      const now = performance.now()
      for (const node of this.nodes.values()) node.checkStall(now)
      for (const node of this.retired) {
        node.checkStall(now, RETIRED_SILENCE_MS, true)
        if (node.depth > 0) continue
        this.retired.delete(node)
        node.close('no longer a master')
      }
    }, STALL_CHECK_MS)
    this.stallTimer.unref()
  }

  /** Sends a new call, or queues it behind earlier ones of its client and slot that are being sent again. */
  dispatch(call: Call): void {
    const { gates } = call.lane
    const gate = gates?.get(call.slot)
    if (gate !== undefined) {
      call.deadline = performance.now() + this.options.retryDeadlineMs
      gate.hold(call)
      return
    }
    // A gate keeps the client's order although the bytes of a large command take another way.
    if (call.blocks || isLarge(call)) Gate.of(call, this.transmit).pump()
    else this.send(call)
  }

  /** Keeps the place of a call that is not ready to be sent, before its client's later ones for the slot. */
  reserve(call: Call): void {
    call.notBefore = Number.POSITIVE_INFINITY
    Gate.of(call, this.transmit).pump()
  }

  /** Sends a call whose place was reserved. */
  release(call: Call): void {
    call.notBefore = 0
    Gate.of(call, this.transmit).pump()
  }

  /** Replaces the slot map. Nodes that serve nothing any more are closed when they have answered what they owe. */
  applyTopology(ranges: readonly { from: number; to: number; address: string }[]): void {
    const used = new Set<UpstreamNode>()
    this.slots.replace(
      ranges.map(({ from, to, address }) => {
        const node = this.node(address)
        used.add(node)
        return { from, to, node }
      }),
    )
    for (const [address, node] of this.nodes) {
      if (used.has(node)) continue
      this.nodes.delete(address)
      // Closing it now would leave in doubt every write that it is just answering.
      this.retired.add(node)
    }
  }

  intercept(call: Call, error: string): boolean {
    const space = error.indexOf(' ')
    const code = space < 0 ? error : error.slice(0, space)
    switch (code) {
      case 'MOVED':
      case 'ASK':
        return this.redirect(call, error)
      case 'NOSCRIPT':
        if (call.script === null) return false
        this.sendScriptBody(call)
        return true
      case 'NEEDSTREAM':
        return call.attempts <= FREE_HOPS && call.replan() && this.retry(call, false)
      case 'TRYAGAIN':
        // Once may be chance; twice, and the event's keys are split between the nodes, or not there at all.
        if (call.event !== null && call.attempts > 0) {
          this.openThenRetry(call, call.event)
          return true
        }
        return this.retry(call, true)
      default:
        if (!TRY_LATER.has(code)) return false
        this.options.refreshTopology()
        return this.retry(call, true)
    }
  }

  lost(call: Call, written: boolean): void {
    if (call.begun) {
      call.state = CALL_SETTLED
      call.abort('the node went away in the middle of a reply')
      this.settled(call)
      return
    }
    this.options.refreshTopology()
    if (call.via !== null) {
      call.uncertain = written
      this.fail(call)
      return
    }
    if (written) {
      call.uncertain = true
      if (call.write && !call.repeatable) {
        this.fail(call)
        return
      }
    }
    if (!this.retry(call, true)) this.fail(call)
  }

  settled(call: Call): void {
    if (call.retrying) {
      call.retrying = false
      this.retrying--
    }
    call.lane.gates?.get(call.slot)?.pump()
  }

  /** A connection of one client's own to the master of `slot`; null where nobody is known to serve it. */
  pin(slot: number, protocol: Protocol): PinnedLink | null {
    const node = slot < 0 ? this.slots.any() : this.slots.owner(slot)
    return node?.pin(protocol) ?? null
  }

  /** How many masters serve slots. */
  get masterCount(): number {
    return this.slots.nodes.length
  }

  /** Ends every link. */
  close(): void {
    this.closed = true
    clearInterval(this.stallTimer)
    for (const node of [...this.nodes.values(), ...this.retired]) node.close('shutting down')
    this.nodes.clear()
    this.retired.clear()
  }

  /** Commands that are out at some node. */
  get depth(): number {
    let total = 0
    for (const node of this.nodes.values()) total += node.depth
    for (const node of this.retired) total += node.depth
    return total
  }

  private send(call: Call): void {
    if (this.closed) {
      this.fail(call)
      return
    }
    if (call.via !== null) {
      call.via.send(call)
      return
    }
    let node: UpstreamNode | null
    if (call.askNode !== null) {
      node = this.node(call.askNode)
      call.asking = true
      call.askNode = null
    } else {
      node =
        call.master >= 0
          ? this.masterAt(call.master)
          : call.slot < 0
            ? this.slots.any()
            : this.slots.owner(call.slot)
    }
    if (node === null) {
      const text =
        this.slots.nodes.length === 0 ? this.unavailable : `CLUSTERDOWN Hash slot ${call.slot} not served`
      if (this.slots.nodes.length > 0 && this.retry(call, true)) return
      this.settleError(call, text)
      return
    }
    if (call.blocks || isLarge(call)) node.sendAlone(call)
    else node.link(call.protocol).send(call)
  }

  /** Masters are numbered by their addresses, so that a number means the same as long as none comes or goes. */
  private masterAt(number: number): UpstreamNode | null {
    const sorted = this.slots.nodes.toSorted((a, b) => (a.address < b.address ? -1 : 1))
    return sorted[number] ?? null
  }

  private redirect(call: Call, error: string): boolean {
    const target = parseRedirection(error)
    if (target === null) return false
    if (call.via !== null) {
      // What was watched on the connection cannot follow; the client begins again, as after any lost race.
      this.options.refreshTopology()
      this.settleError(call, `TRYAGAIN Slot ${target.slot} is moving`)
      return true
    }
    // An empty host means "the host that you asked"; that of any node of this cluster we know serves as well.
    const host = target.host !== '' ? target.host : this.hostOf(call)
    const address = `${host}:${target.port}`
    // A node that takes part in a move answers ASK at once or TRYAGAIN, which pauses; MOVED alone can go in circles.
    const pause = target.kind === 'MOVED' && call.attempts >= FREE_HOPS
    if (target.kind === 'ASK') {
      // ASK is about this moment. A call that has to wait goes to the owner again when its turn comes: an ASKING
      // that arrives after the slot was closed and opened the other way would make the key anew at its old place.
      if (Gate.of(call, this.transmit).isNext(call)) call.askNode = address
    } else if (call.slot < 0) {
      // A command whose slot we did not know goes where it was sent to, once.
      call.askNode = address
    } else {
      this.slots.move(target.slot, this.node(address))
      this.options.refreshTopology()
    }
    if (this.retry(call, pause)) return true
    this.settleError(call, `CLUSTERDOWN Slot ${target.slot} is moving, try again later`)
    return true
  }

  private openThenRetry(call: Call, event: object): void {
    call.event = null
    call.state = CALL_HELD
    this.reserve(call)
    const again = (): void => this.release(call)
    this.options.openEvent(event).then(again, again)
  }

  /** Sends the script's text instead of its digest: that runs it and loads it. */
  private sendScriptBody(call: Call): void {
    const { head, start, end, script } = call
    const whole = asEval(head, start, end, script!)
    if (call.requestIdAt >= 0) call.requestIdAt += whole.length - end
    call.head = whole
    call.start = 0
    call.end = whole.length
    call.script = null
    this.retry(call, false)
  }

  /** Arranges another attempt, at once or after a pause; false where it is too late to wait, or too many do. */
  private retry(call: Call, pause: boolean): boolean {
    if (this.closed) return false
    const now = performance.now()
    if (call.deadline === 0) call.deadline = now + this.options.retryDeadlineMs
    if (pause && now >= call.deadline) return false
    if (!call.retrying) {
      if (pause && this.retrying >= this.options.maxRetrying) return false
      call.retrying = true
      this.retrying++
    }
    call.attempts++
    call.restart()
    if (call.requestIdAt >= 0) call.head[call.requestIdAt] = REPEATED
    call.state = CALL_HELD
    if (pause) {
      const backoff = Math.min(RETRY_FIRST_MS * 2 ** Math.min(call.attempts - 1, 8), RETRY_MAX_MS)
      call.notBefore = Math.min(now + backoff * (0.5 + Math.random() / 2), call.deadline)
    } else {
      call.notBefore = 0
    }
    Gate.of(call, this.transmit).pump()
    return true
  }

  /** Gives up on a call whose node could not be reached. */
  private fail(call: Call): void {
    this.settleError(
      call,
      call.uncertain && call.write
        ? 'UNCERTAIN the connection to the node was lost before its reply, the write may or may not have happened'
        : 'CLUSTERDOWN The node that serves this slot cannot be reached',
    )
  }

  private settleError(call: Call, text: string): void {
    const bytes = errorBytes(text)
    call.settle(bytes, 0, bytes.length)
  }

  private hostOf(call: Call): string {
    const node = call.slot < 0 ? this.slots.any() : this.slots.owner(call.slot)
    return node === null ? '127.0.0.1' : splitAddress(node.address).host
  }

  private node(address: string): UpstreamNode {
    let node = this.nodes.get(address)
    if (node === undefined) {
      const { host, port } = splitAddress(address)
      const { log } = this.options
      node = new UpstreamNode(
        host,
        port,
        this.options.link,
        (up, protocol) => log.info({ node: up.address, protocol }, 'link up'),
        (down, protocol, reason) => {
          log.warn({ node: down.address, protocol, reason }, 'link down')
          this.options.refreshTopology()
        },
      )
      this.nodes.set(address, node)
    }
    return node
  }
}
