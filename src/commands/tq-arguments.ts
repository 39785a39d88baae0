// Reads the arguments of a TQ.* command by its specification and lays them out for the script.

import type { Request } from '../resp/request.ts'
import { readInteger } from './integers.ts'
import type { Arg, OneOfArg, TqSpec, ValueArg } from './spec.ts'

/** Longest id in bytes: event, user, token, seat, dedupe key, section. */
export const MAX_ID_BYTES = 256
/** Longest pass in bytes; a signed one has a few hundred. */
const MAX_PASS_BYTES = 2048
/** Longest other text in bytes. */
const MAX_TEXT_BYTES = 1024
/** Most values behind a keyword such as SEATS; a script's loops have this bound. */
export const MAX_VALUES = 500

export const SYNTAX_ERROR = 'ERR syntax error'
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range'

/** An argument for the script: bytes of the request with their length line, or text of ours. */
export type Place = { from: number; to: number } | string

/** The arguments in ARGV order, or the text of an error. */
export type ParsedArguments = readonly Place[] | string

/** One alternative of one `oneof`: a value belongs to it. */
interface Branch {
  choice: number
  alternative: number
}

interface Leaf {
  arg: ValueArg
  /** Index in ARGV (behind the request id, where there is one). */
  place: number
  branches: readonly Branch[]
  /** Whether it has to be given whenever its branches are taken. */
  required: boolean
}

interface Choice {
  branches: readonly Branch[]
  required: boolean
}

/** A command's syntax, ready for use. */
export interface Syntax {
  /** Values that come first, in order, without a keyword. */
  positional: readonly ValueArg[]
  keywords: ReadonlyMap<string, Leaf>
  leaves: readonly Leaf[]
  choices: readonly Choice[]
  /** Optional values without a keyword, in order (`[IN|OUT|ALL]`). */
  floating: readonly Leaf[]
  /** Values that repeat to the end without a keyword: one (tokens) or several in turn (name and value). */
  tail: { values: readonly ValueArg[]; optional: boolean } | null
  /** ARGV places, without the request id and without what repeats at the end. */
  places: number
}

/** The names of the ARGV places of a command, in order, without the request id: `extras` first. */
export function placeNames(spec: TqSpec): string[] {
  const names: string[] = spec.execution.by === 'script' ? [...(spec.execution.extras ?? [])] : []
  let last: string[] = []
  const visit = (arg: Arg): void => {
    if (arg.type === 'block' && arg.multiple) last = arg.of.map((of) => of.name)
    else if (arg.type === 'oneof' || arg.type === 'block') arg.of.forEach(visit)
    else if (arg.type === 'event') return
    else if (arg.multiple) last = [arg.place ?? arg.name]
    else if (!names.includes(arg.place ?? arg.name)) names.push(arg.place ?? arg.name)
  }
  spec.args.forEach(visit)
  return [...names, ...last]
}

/** Prepares a specification. */
export function compileSyntax(spec: TqSpec): Syntax {
  const positional: ValueArg[] = []
  const keywords = new Map<string, Leaf>()
  const leaves: Leaf[] = []
  const choices: Choice[] = []
  const floating: Leaf[] = []
  const places = new Map<string, number>()
  let tail: Syntax['tail'] = null

  const placeOf = (arg: ValueArg): number => {
    const name = arg.place ?? arg.name
    if (!places.has(name)) places.set(name, places.size)
    return places.get(name)!
  }
  const addLeaf = (arg: ValueArg, branches: readonly Branch[], optional: boolean): void => {
    const leaf: Leaf = {
      arg,
      place: arg.multiple ? -1 : placeOf(arg),
      branches,
      required: !optional && arg.optional !== true,
    }
    leaves.push(leaf)
    if (arg.keyword !== undefined) keywords.set(arg.keyword, leaf)
    else floating.push(leaf)
  }
  const visit = (arg: Arg, branches: readonly Branch[], optional: boolean): void => {
    if (arg.type === 'oneof') visitChoice(arg, branches, optional)
    else if (arg.type === 'block') {
      if (arg.multiple) tail = { values: arg.of as readonly ValueArg[], optional: arg.optional === true }
      else for (const of of arg.of) visit(of, branches, optional || arg.optional === true)
    } else addLeaf(arg, branches, optional)
  }
  const visitChoice = (arg: OneOfArg, branches: readonly Branch[], optional: boolean): void => {
    const choice = choices.push({ branches, required: !optional && arg.optional !== true }) - 1
    arg.of.forEach((of, alternative) => {
      visit(of, [...branches, { choice, alternative }], optional)
    })
  }

  for (const arg of spec.args) {
    if (arg.type === 'oneof' || arg.type === 'block') visit(arg, [], false)
    else if (arg.keyword !== undefined) addLeaf(arg, [], false)
    else if (arg.multiple) tail = { values: [arg], optional: arg.optional === true }
    else if (arg.optional) addLeaf(arg, [], true)
    else {
      positional.push(arg)
      if (arg.type !== 'event') placeOf(arg)
    }
  }
  return { positional, keywords, leaves, choices, floating, tail, places: places.size }
}

/**
 * Reads a request whose arity is known to be right. Nothing is copied: values that go on unchanged are given as
 * the range of their bulk string in the request.
 */
export function parseArguments(syntax: Syntax, request: Request): ParsedArguments {
  // Only an argument of 32 KB or more spans several buffers, and none of ours may be that long.
  if (request.rest !== null) return 'ERR argument is too long'
  const parsed: Place[] = new Array(syntax.places).fill('')
  let index = 1
  let place = 0
  for (const arg of syntax.positional) {
    const value = readValue(arg, request, index)
    if (typeof value === 'string' && value.startsWith('ERR ')) return value
    if (arg.type !== 'event') parsed[place++] = value
    index++
  }
  if (syntax.tail !== null) return readTail(syntax.tail, request, index, parsed)
  if (index === request.argc && syntax.leaves.length === 0) return parsed
  return readOptions(syntax, request, index, parsed)
}

function readOptions(syntax: Syntax, request: Request, from: number, parsed: Place[]): ParsedArguments {
  const seen = new Set<Leaf>()
  const chosen: number[] = new Array(syntax.choices.length).fill(-1)
  let floated = 0
  let index = from
  while (index < request.argc) {
    let leaf =
      request.argLength(index) <= 16 ? syntax.keywords.get(request.text(index).toUpperCase()) : undefined
    if (leaf !== undefined) index++
    else leaf = syntax.floating[floated++]
    if (leaf === undefined || seen.has(leaf)) return SYNTAX_ERROR
    seen.add(leaf)
    for (const { choice, alternative } of leaf.branches) {
      if (chosen[choice] !== -1 && chosen[choice] !== alternative) return SYNTAX_ERROR
      chosen[choice] = alternative
    }
    if (leaf.arg.type === 'flag') {
      parsed[leaf.place] = '1'
      continue
    }
    if (index >= request.argc) return SYNTAX_ERROR
    if (leaf.arg.multiple) {
      const failure = readTail({ values: [leaf.arg], optional: false }, request, index, parsed)
      if (typeof failure === 'string') return failure
      index = request.argc
      continue
    }
    const value = readValue(leaf.arg, request, index++)
    if (typeof value === 'string' && value.startsWith('ERR ')) return value
    parsed[leaf.place] = value
  }
  const taken = (branches: readonly Branch[]): boolean =>
    branches.every(({ choice, alternative }) => chosen[choice] === alternative)
  for (const [choice, { branches, required }] of syntax.choices.entries()) {
    if (required && chosen[choice] === -1 && taken(branches)) return SYNTAX_ERROR
  }
  for (const leaf of syntax.leaves) {
    if (leaf.required && !seen.has(leaf) && taken(leaf.branches)) return SYNTAX_ERROR
  }
  return parsed
}

/** Reads values to the end of the request, behind the places already filled. */
function readTail(
  tail: NonNullable<Syntax['tail']>,
  request: Request,
  from: number,
  parsed: Place[],
): ParsedArguments {
  const count = request.argc - from
  if (count === 0) return tail.optional ? parsed : SYNTAX_ERROR
  if (count % tail.values.length !== 0) return SYNTAX_ERROR
  if (count > MAX_VALUES) return `ERR too many values, at most ${MAX_VALUES}`
  const distinct = tail.values[0].unique ? new Set<string>() : null
  for (let i = 0; i < count; i++) {
    const value = readValue(tail.values[i % tail.values.length], request, from + i)
    if (typeof value === 'string' && value.startsWith('ERR ')) return value
    if (distinct !== null) {
      distinct.add(request.text(from + i))
      if (distinct.size <= i) return SYNTAX_ERROR
    }
    parsed.push(value)
  }
  return parsed
}

/** One value as its place; a string that begins with `ERR ` is an error, which no value of ours does. */
function readValue(arg: ValueArg, request: Request, index: number): Place {
  const length = request.argLength(index)
  switch (arg.type) {
    case 'id':
      if (length === 0) return `ERR ${arg.name} is empty, it must have 1 to ${MAX_ID_BYTES} bytes`
      if (length > MAX_ID_BYTES) return `ERR ${arg.name} is too long, at most ${MAX_ID_BYTES} bytes`
      return rangeOf(request, index)
    case 'pass':
      if (length === 0 || length > MAX_PASS_BYTES) {
        return `ERR ${arg.name} must have 1 to ${MAX_PASS_BYTES} bytes`
      }
      return rangeOf(request, index)
    case 'key':
    case 'text':
      if (length > MAX_TEXT_BYTES) return `ERR ${arg.name} is too long, at most ${MAX_TEXT_BYTES} bytes`
      return rangeOf(request, index)
    case 'integer': {
      const value = length <= 20 ? readInteger(request.text(index)) : null
      const min = arg.min ?? Number.MIN_SAFE_INTEGER
      const max = arg.max ?? Number.MAX_SAFE_INTEGER
      if (value === null || value < min || value > max) return NOT_AN_INTEGER
      const scaled = value * (arg.scale ?? 1)
      return Number.isSafeInteger(scaled) ? String(scaled) : NOT_AN_INTEGER
    }
    case 'word': {
      const word = length <= 32 ? request.text(index).toUpperCase() : ''
      return arg.words!.includes(word) ? word : SYNTAX_ERROR
    }
    default:
      return ''
  }
}

/** The bulk string of argument `index`, its length line included, as offsets in the request's head. */
function rangeOf(request: Request, index: number): Place {
  const { offsets, start } = request
  return { from: start + offsets[index * 2 - 1] + 2, to: start + offsets[index * 2 + 1] + 2 }
}
