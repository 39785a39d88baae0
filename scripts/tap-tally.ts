// Reads the TAP of a test run, counts its tests, and says which file ended how and why.

import { Parser, type Result } from 'tap-parser'
import { stringify } from 'yaml'

/** A test is a subtest without subtests of its own: one sentence about one behaviour. */
export interface Counts {
  passed: number
  failed: number
  skipped: number
}

export interface Listeners {
  /** A test file is through. */
  onFile(name: string, ok: boolean, counts: Counts, ms: number): void
  /** What a file that failed wrote besides TAP; comes after its onFile. */
  onPrinted(name: string, text: string): void
  /** Something failed: where (file, test, assertion) and all that TAP says about it. */
  onFailure(path: string, details: string): void
}

interface Level extends Counts {
  readonly path: string[]
  /** Subtests seen here; without any, this level is a test itself. */
  subtests: number
  /** Assertions of this level itself. */
  asserted: number
  assertedFailures: number
  assertedSkips: number
  /** The subtest that has ended but whose verdict is still to come. */
  ended: Level | undefined
}

/**
 * Makes a parser to pipe TAP into, and the counts that grow while it reads.
 *
 * @returns `parser`, a stream to write TAP to, and `counts`, complete when the parser has emitted `complete`
 */
export function tallyTap(listeners: Listeners): { parser: Parser; counts: Counts } {
  const parser = new Parser()
  const root = newLevel([])
  let printed = ''
  let lastFile = ''
  let lastOk = true
  // What subtests print rises to the root, indented as they are.
  parser.on('extra', (text: string) => {
    printed += text
  })
  parser.on('child', flushPrinted)
  parser.on('complete', flushPrinted)
  attend(parser, root)
  return { parser, counts: root }

  // The parser hands out the text that stood before a verdict only after it.
  function flushPrinted(): void {
    if (!lastOk && printed.trim()) listeners.onPrinted(lastFile, printed)
    printed = ''
    lastOk = true
  }

  function attend(parser: Parser, level: Level): void {
    parser.on('child', (child: Parser) => {
      const inner = newLevel([...level.path, child.name])
      level.subtests++
      attend(child, inner)
      child.on('complete', () => {
        level.ended = inner
      })
    })
    parser.on('bailout', (reason: string) => {
      if (level !== root) return
      level.failed++
      listeners.onFailure('the run', `bailed out: ${reason}\n`)
    })
    parser.on('assert', (result: Result) => {
      const inner = level.ended
      level.ended = undefined
      if (inner && result.closingTestPoint) settle(level, inner, result)
      else assertion(level, result)
    })
  }

  function assertion(level: Level, result: Result): void {
    level.asserted++
    if (result.skip || result.todo) {
      level.assertedSkips++
      level.skipped++
    } else if (!result.ok) {
      level.assertedFailures++
      fail([...level.path, result.name], result)
      // A file that cannot even be run is a failed point of the run itself.
      if (level === root) level.failed++
    }
  }

  function settle(level: Level, inner: Level, result: Result): void {
    if (result.skip || result.todo) {
      if (inner.skipped === 0) inner.skipped++
    } else if (!result.ok) {
      // Its own fault, or nobody's below: a crash, a timeout, a plan that was not kept.
      const untold = inner.failed === 0 && inner.assertedFailures === 0
      if (untold) fail(inner.path, result)
      if (untold || inner.assertedFailures > 0) inner.failed++
    } else if (inner.subtests === 0 && inner.asserted > inner.assertedSkips) {
      inner.passed++
    } else if (inner.subtests === 0 && inner.asserted === 0) {
      // A test may pass by not throwing.
      inner.passed++
    }
    level.passed += inner.passed
    level.failed += inner.failed
    level.skipped += inner.skipped
    if (level === root) {
      lastFile = inner.path.join(' > ')
      lastOk = result.ok
      listeners.onFile(lastFile, result.ok, inner, result.time ?? 0)
    }
  }

  function fail(path: string[], result: Result): void {
    listeners.onFailure(path.join(' > '), result.diag ? stringify(result.diag, { lineWidth: 0 }) : '')
  }
}

function newLevel(path: string[]): Level {
  return {
    path,
    passed: 0,
    failed: 0,
    skipped: 0,
    subtests: 0,
    asserted: 0,
    assertedFailures: 0,
    assertedSkips: 0,
    ended: undefined,
  }
}
