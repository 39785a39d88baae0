// Asks a node something for the proxy itself and understands the answer.

import Parser from 'redis-parser'
import type { Answer } from '../resp/answer.ts'
import { encodeCommand } from '../resp/encode.ts'
import { Call, type CallRouter, type Lane } from './call.ts'

/** Inquiries have no client, so nothing keeps them in order. */
function freeLane(): Lane {
  return { gates: null, unsettled: () => [] }
}

class Inquiry extends Call {
  private readonly parts: Buffer[] = []
  private readonly done: (frame: Buffer) => void
  private readonly failed: (error: Error) => void

  constructor(
    router: CallRouter,
    words: readonly (string | Buffer)[],
    slot: number,
    write: boolean,
    done: (frame: Buffer) => void,
    failed: (error: Error) => void,
  ) {
    const bytes = encodeCommand(words)
    super(freeLane(), router, bytes, 0, bytes.length, null, slot, 2, write)
    this.done = done
    this.failed = failed
  }

  protected override deliver(buf: Buffer, start: number, end: number): void {
    this.done(buf.subarray(start, end))
  }

  protected override deliverPart(buf: Buffer, start: number, end: number, last: boolean): void {
    this.parts.push(buf.subarray(start, end))
    if (last) this.done(Buffer.concat(this.parts))
  }

  override abort(reason: string): void {
    this.failed(new Error(reason))
  }
}

/**
 * Sends a command of the proxy's own to the owner of `slot` (-1: any master).
 * @returns the parsed answer; rejects with the node's error, or with the reason why there is none.
 */
export function ask(
  router: CallRouter & { dispatch(call: Call): void },
  words: readonly (string | Buffer)[],
  slot = -1,
  write = false,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const parse = (frame: Buffer): void => {
      const parser = new Parser({
        returnReply: (reply) => resolve(reply as Answer),
        returnError: reject,
        returnFatalError: reject,
      })
      parser.execute(frame)
    }
    router.dispatch(new Inquiry(router, words, slot, write, parse, reject))
  })
}
