// Keeps one client's commands for one slot in order while some of them have to be sent again.

import { CALL_HELD, CALL_SENT, CALL_SETTLED, type Call, type Lane } from './call.ts'

/**
 * From the first redirection on, a client's commands for that slot pass one at a time: those that are still out
 * are waited for, those that came back are sent again, those that are new wait behind them. The gate goes away
 * when it is empty, so the ordinary path never meets one.
 */
export class Gate {
  private readonly lane: Lane
  private readonly slot: number
  private readonly transmit: (call: Call) => void
  private queue: Call[]
  private timer: NodeJS.Timeout | null = null
  private pumping = false

  private constructor(lane: Lane, slot: number, transmit: (call: Call) => void) {
    this.lane = lane
    this.slot = slot
    this.transmit = transmit
    this.queue = lane.unsettled(slot)
  }

  /** The gate of the call's lane and slot, made where there is none yet. `transmit` sends a call to its node. */
  static of(call: Call, transmit: (call: Call) => void): Gate {
    const { lane, slot } = call
    lane.gates ??= new Map()
    let gate = lane.gates.get(slot)
    if (gate === undefined) {
      gate = new Gate(lane, slot, transmit)
      lane.gates.set(slot, gate)
    }
    // A call whose client has gone is no longer in the lane, and still has to reach its end.
    if (!gate.queue.includes(call)) gate.queue.push(call)
    return gate
  }

  /** Whether nothing that has to come first is still out or waiting. */
  isNext(call: Call): boolean {
    return this.queue.find((other) => other.state !== CALL_SETTLED) === call
  }

  /** Adds a new command behind those that wait. */
  hold(call: Call): void {
    call.state = CALL_HELD
    if (!this.queue.includes(call)) this.queue.push(call)
    this.pump()
  }

  /** Sends what may go now. */
  pump(): void {
    // Sending can fail at once and come back here; the loop below sees the new state by itself.
    if (this.pumping) return
    this.pumping = true
    while (this.queue.length > 0) {
      const head = this.queue[0]
      if (head.state === CALL_SETTLED) {
        this.queue.shift()
        continue
      }
      if (head.state === CALL_SENT) break
      // Not ready to be sent at all yet; whoever makes it ready pumps again.
      if (head.notBefore === Number.POSITIVE_INFINITY) break
      const wait = head.notBefore - performance.now()
      if (wait > 0) {
        this.timer ??= setTimeout(() => {
          this.timer = null
          this.pump()
        }, wait)
        break
      }
      this.transmit(head)
    }
    this.pumping = false
    if (this.queue.length === 0 && this.lane.gates?.get(this.slot) === this) {
      this.lane.gates.delete(this.slot)
      if (this.lane.gates.size === 0) this.lane.gates = null
    }
  }
}
