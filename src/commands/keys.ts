// Finds the keys of a request by the command's key specifications.

import type { Request } from '../resp/request.ts'
import { keySlot } from '../routing/slots.ts'
import type { KeySpec } from './command-info.ts'

/** No key at all. */
export const NO_KEYS = -1
/** Keys of more than one slot. */
export const CROSS_SLOT = -2

/** The slot of argument `index`. */
export function slotOfArg(request: Request, index: number): number {
  const from = request.offsets[index * 2]
  const to = request.offsets[index * 2 + 1]
  if (to <= request.end - request.start)
    return keySlot(request.head, request.start + from, request.start + to)
  return keySlot(request.arg(index))
}

/**
 * The one slot of all keys of a request; NO_KEYS, or CROSS_SLOT. Positions outside the request are passed over:
 * Redis itself says what is wrong with such a command.
 */
export function slotOfKeys(request: Request, specs: readonly KeySpec[]): number {
  let slot = NO_KEYS
  for (const spec of specs) {
    const first = firstKeyOf(request, spec)
    if (first < 0) continue
    const last = lastKeyOf(request, spec, first)
    for (let index = first; index <= last; index += spec.find.step) {
      const next = slotOfArg(request, index)
      if (slot === NO_KEYS) slot = next
      else if (slot !== next) return CROSS_SLOT
    }
  }
  return slot
}

/** The place of the first key that a specification finds; -1: it finds none. */
export function firstKeyOf(request: Request, spec: KeySpec): number {
  const begin = findBegin(request, spec)
  if (begin < 0 || (spec.unlessEmpty && request.argLength(begin) === 0)) return -1
  const { find } = spec
  if (find.type === 'range') return begin
  return countOf(request, begin + find.countIndex) > 0 ? begin + find.firstKey : -1
}

/** The place of the last key after `first`, inside the request; every `find.step`th up to it is one. */
export function lastKeyOf(request: Request, { find }: KeySpec, first: number): number {
  const last =
    find.type === 'range'
      ? lastOfRange(request.argc, first, find.lastKey, find.limit)
      : first + (countOf(request, first - find.firstKey + find.countIndex) - 1) * find.step
  return Math.min(last, request.argc - 1)
}

/** How many keys an argument announces; 0 where it is no such number. */
function countOf(request: Request, index: number): number {
  const count = index < request.argc ? Number(request.text(index)) : 0
  return Number.isInteger(count) && count > 0 ? count : 0
}

/** Whether one of the arguments from `from` on is `word` (lower case), in any case. */
export function hasWord(request: Request, word: string, from: number): boolean {
  for (let i = from; i < request.argc; i++) {
    if (request.argLength(i) === word.length && request.text(i).toLowerCase() === word) return true
  }
  return false
}

function findBegin(request: Request, spec: KeySpec): number {
  const { begin } = spec
  if (begin.type === 'index') return begin.index < request.argc ? begin.index : -1
  const backwards = begin.startFrom < 0
  const step = backwards ? -1 : 1
  let index = backwards ? request.argc + begin.startFrom : begin.startFrom
  for (; index > 0 && index < request.argc; index += step) {
    if (request.argLength(index) !== begin.keyword.length) continue
    if (request.text(index).toLowerCase() === begin.keyword) return index + 1 < request.argc ? index + 1 : -1
  }
  return -1
}

/** `lastKey` counts from the beginning; negative from the end, where `limit` n > 1 takes the first 1/n only. */
function lastOfRange(argc: number, begin: number, lastKey: number, limit: number): number {
  if (lastKey >= 0) return begin + lastKey
  if (limit > 1) return begin + Math.trunc((argc - begin) / limit + lastKey)
  return argc + lastKey
}
