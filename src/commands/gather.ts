// Commands that need more than one node: how they are split, and how the parts of the reply become one.

import { encodeCommand, encodeReply, errorBytes, OK_REPLY, type Protocol } from '../resp/encode.ts'
import { frameElements } from '../resp/reply-frames.ts'
import type { Request } from '../resp/request.ts'
import { slotOfArg } from './keys.ts'

/** One part of a command: for the owner of a slot, or for a master by its number. */
export interface Part {
  slot: number
  /** Number of the master in the order of their addresses; -1: the owner of `slot`. */
  master: number
  wire: Buffer
}

/** A command in parts. */
export interface Gather {
  /** The parts; null: `wire` goes to every master. */
  parts: readonly Part[] | null
  wire: Buffer
  /** Makes one reply of the parts' replies, in the order of the parts. None of them is an error. */
  merge: (frames: readonly Buffer[]) => Buffer
}

type Merge = (frames: readonly Buffer[], protocol: Protocol) => Buffer

/** Adds up integer replies. */
const sum: Merge = (frames) => {
  let total = 0
  for (const frame of frames) total += Number(frame.toString('latin1', 1))
  return Buffer.from(`:${total}\r\n`)
}

const allOk: Merge = () => OK_REPLY

/** All said the same, or nearly: one reply stands for all. */
export const firstReply: Merge = (frames) => frames[0]

/** One array of all elements. */
const concatenate: Merge = (frames) => {
  const elements = frames.flatMap(frameElements)
  return Buffer.concat([Buffer.from(`*${elements.length}\r\n`), ...elements])
}

/** Arrays of 0 and 1, of which a place is 1 where it is 1 everywhere. */
const everywhere: Merge = (frames) => {
  const rows = frames.map(frameElements)
  const places = rows[0].map((_, i) => (rows.every((row) => row[i].equals(ONE)) ? ONE : ZERO))
  return Buffer.concat([Buffer.from(`*${places.length}\r\n`), ...places])
}

const ONE = Buffer.from(':1\r\n')
const ZERO = Buffer.from(':0\r\n')

/** A key of one of the nodes that have any. */
const anyKey: Merge = (frames, protocol) => {
  const found = frames.filter((frame) => frame[0] === 36 && frame[1] !== 45)
  return found.length === 0 ? encodeReply(null, protocol) : found[Math.floor(Math.random() * found.length)]
}

/** Commands that go to every master, by lower-case name, and how their replies are merged. */
export const EVERYWHERE: ReadonlyMap<string, Merge> = new Map([
  ['dbsize', sum],
  ['keys', concatenate],
  ['randomkey', anyKey],
  ['flushall', allOk],
  ['flushdb', allOk],
  ['script|load', firstReply],
  ['script|exists', everywhere],
  ['script|flush', allOk],
  ['function|load', firstReply],
  ['function|delete', allOk],
  ['function|flush', allOk],
  ['function|restore', allOk],
])

/** Commands that are split by slot: how many arguments belong to a key, and how the replies are merged. */
const SPLITS: ReadonlyMap<string, { step: number; merge: 'sum' | 'ok' | 'positions' }> = new Map([
  ['mget', { step: 1, merge: 'positions' }],
  ['mset', { step: 2, merge: 'ok' }],
  ['del', { step: 1, merge: 'sum' }],
  ['unlink', { step: 1, merge: 'sum' }],
  ['exists', { step: 1, merge: 'sum' }],
  ['touch', { step: 1, merge: 'sum' }],
])

/** Whether a command may have keys of several slots. */
export function canSplit(name: string): boolean {
  return SPLITS.has(name)
}

/** Sends a request to every master. */
export function gatherEverywhere(request: Request, merge: Merge, protocol: Protocol): Gather {
  return {
    parts: null,
    wire: Buffer.concat(request.buffers()),
    merge: (frames) => merge(frames, protocol),
  }
}

/** Splits a request by the slots of its keys; null where its arguments do not come out even. */
export function gatherSplit(name: string, request: Request): Gather | null {
  const { step, merge } = SPLITS.get(name)!
  if ((request.argc - 1) % step !== 0) return null
  const groups = new Map<number, number[]>()
  for (let i = 1; i < request.argc; i += step) {
    const slot = slotOfArg(request, i)
    const group = groups.get(slot)
    if (group === undefined) groups.set(slot, [i])
    else group.push(i)
  }
  const parts: Part[] = []
  for (const [slot, indexes] of groups) {
    const words: Buffer[] = [request.arg(0)]
    for (const index of indexes) for (let i = 0; i < step; i++) words.push(request.arg(index + i))
    parts.push({ slot, master: -1, wire: encodeCommand(words) })
  }
  const positions = [...groups.values()].flat()
  return {
    parts,
    wire: Buffer.alloc(0),
    merge: (frames) => {
      if (merge === 'ok') return OK_REPLY
      if (merge === 'sum') return sum(frames, 2)
      const ordered: Buffer[] = new Array(request.argc - 1)
      frames.flatMap(frameElements).forEach((element, i) => {
        ordered[positions[i] - 1] = element
      })
      return Buffer.concat([Buffer.from(`*${ordered.length}\r\n`), ...ordered])
    },
  }
}

/** A cursor names the master in its lowest bits and the master's own cursor above; so one cursor spans all. */
const CURSOR_MASTERS = 1024n
const MAX_CURSOR = 2n ** 64n - 1n

/**
 * SCAN: one page of one master, the next master's first page behind the last of this one.
 * @param masters how many there are
 * @returns the page's part; or the text of an error
 */
export function gatherScan(request: Request, masters: number): Gather | string {
  const text = request.text(1)
  if (!/^\d{1,20}$/.test(text) || BigInt(text) > MAX_CURSOR) return 'ERR invalid cursor'
  const master = Number(BigInt(text) % CURSOR_MASTERS)
  const cursor = BigInt(text) / CURSOR_MASTERS
  // After a master has left, a cursor may name one that is not there: its keys are elsewhere, and the walk ends.
  if (master >= masters) return 'ERR invalid cursor'
  const words: (Buffer | string)[] = [request.arg(0), cursor.toString()]
  for (let i = 2; i < request.argc; i++) words.push(request.arg(i))
  return {
    parts: [{ slot: -1, master, wire: encodeCommand(words) }],
    wire: Buffer.alloc(0),
    merge: ([frame]) => {
      const [own, keys] = frameElements(frame)
      const next = BigInt(own.toString('latin1', own.indexOf(10) + 1, own.length - 2))
      const onward =
        next > 0n ? next * CURSOR_MASTERS + BigInt(master) : master + 1 < masters ? BigInt(master + 1) : 0n
      const text = onward.toString()
      return Buffer.concat([Buffer.from(`*2\r\n$${text.length}\r\n${text}\r\n`), keys])
    },
  }
}

/** The one error of a command some parts of which failed. `errors` are whole frames. */
export function partialFailure(errors: readonly Buffer[], parts: number, write: boolean): Buffer {
  const text = errors[0].toString('utf8', 1, errors[0].length - 2)
  if (!write || errors.length === parts) return errors[0]
  return errorBytes(`${text} (only ${parts - errors.length} of ${parts} parts of the command were executed)`)
}
