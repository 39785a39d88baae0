// Which master serves which slot, as far as we know.

import { SLOT_COUNT } from './slots.ts'

/** Slots `from` to `to`, both included, are served by `node`. */
export interface SlotRange<N> {
  from: number
  to: number
  node: N
}

/** The slot map. Empty until the first topology is known. */
export class SlotMap<N> {
  private owners: (N | null)[] = new Array(SLOT_COUNT).fill(null)
  private masters: N[] = []
  private turn = 0

  /** The master of `slot`; null where nobody is known to serve it. */
  owner(slot: number): N | null {
    return this.owners[slot]
  }

  /** All masters that serve a slot. */
  get nodes(): readonly N[] {
    return this.masters
  }

  /** Some master, a different one each time; null where none is known. */
  any(): N | null {
    if (this.masters.length === 0) return null
    this.turn = (this.turn + 1) % this.masters.length
    return this.masters[this.turn]
  }

  /** How many slots have a master. */
  get covered(): number {
    let count = 0
    for (const owner of this.owners) if (owner !== null) count++
    return count
  }

  /** Replaces the whole map. */
  replace(ranges: Iterable<SlotRange<N>>): void {
    const owners: (N | null)[] = new Array(SLOT_COUNT).fill(null)
    for (const { from, to, node } of ranges) owners.fill(node, from, to + 1)
    this.owners = owners
    this.collectMasters()
  }

  /** Moves one slot, as a MOVED reply says. */
  move(slot: number, node: N): void {
    if (this.owners[slot] === node) return
    this.owners[slot] = node
    if (!this.masters.includes(node)) this.collectMasters()
  }

  private collectMasters(): void {
    const masters = new Set<N>()
    for (const owner of this.owners) if (owner !== null) masters.add(owner)
    this.masters = [...masters]
  }
}
