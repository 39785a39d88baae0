// The commands of one connection whose replies are still to come, oldest first.

import type { Call } from './call.ts'

/** A ring that grows; push and shift cost the same however long it is. */
export class CallQueue {
  private ring: (Call | null)[] = new Array(64).fill(null)
  private head = 0
  private count = 0

  get length(): number {
    return this.count
  }

  push(call: Call | null): void {
    if (this.count === this.ring.length) this.grow()
    this.ring[(this.head + this.count) & (this.ring.length - 1)] = call
    this.count++
  }

  /** The oldest entry; null stands for a reply that nobody waits for. The queue must not be empty. */
  peek(): Call | null {
    return this.ring[this.head]
  }

  /** The oldest entry, or undefined where there is none. */
  next(): Call | null | undefined {
    return this.count === 0 ? undefined : this.ring[this.head]
  }

  shift(): Call | null {
    const call = this.ring[this.head]
    this.ring[this.head] = null
    this.head = (this.head + 1) & (this.ring.length - 1)
    this.count--
    return call
  }

  private grow(): void {
    const bigger: (Call | null)[] = new Array(this.ring.length * 2).fill(null)
    for (let i = 0; i < this.count; i++) bigger[i] = this.ring[(this.head + i) & (this.ring.length - 1)]
    this.ring = bigger
    this.head = 0
  }
}
