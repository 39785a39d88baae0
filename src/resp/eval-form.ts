// Turns an EVALSHA into the EVAL that carries the script's text.

import { encodeCommand } from './encode.ts'

const LF = 10

/**
 * The same call with the text of its script: it runs the script, and loads it where it was missing.
 * @param wire holds an EVALSHA at `start` to `end`, its digest in lower case
 */
export function asEval(
  wire: Buffer,
  start: number,
  end: number,
  script: { readonly sha: string; readonly body: string },
): Buffer {
  const marker = Buffer.from(`$40\r\n${script.sha}\r\n`)
  const digest = wire.indexOf(marker, start)
  return Buffer.concat([
    wire.subarray(start, wire.indexOf(LF, start) + 1),
    encodeCommand(['EVAL', script.body]).subarray('*2\r\n'.length),
    wire.subarray(digest + marker.length, end),
  ])
}
