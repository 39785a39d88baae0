// Puts signed passes into replies, and finds the random part of a signed pass that comes back.

import { encodeReply, type Protocol } from '../resp/encode.ts'
import { frameElements } from '../resp/reply-frames.ts'

/** What a signed pass says. */
export interface PassClaims {
  event: string
  user: string
  token: string
  /** The random part, which the scripts know. */
  pass: string
  /** Unix time in ms; 0 for a pass without an end. */
  expiresMs: number
}

/** Signs and checks passes. */
export interface PassSigner {
  /** The pass as a compact JWS. */
  sign(claims: PassClaims): Promise<string>
  /** The random part of a pass of this event; null where the signature, the event or the form is wrong. */
  open(jws: string, event: string): Promise<string | null>
}

/** Whether these bytes have the form of a compact JWS; random passes never do. */
export function looksSigned(pass: string): boolean {
  const parts = pass.split('.')
  return parts.length === 3 && parts.every((part) => part !== '')
}

/**
 * Signs the passes of a TQ.ENTER or TQ.ADMIT reply.
 * @param token of TQ.ENTER; null for TQ.ADMIT, whose rows name theirs
 */
export async function signReply(
  frame: Buffer,
  event: string,
  token: string | null,
  signer: PassSigner,
  protocol: Protocol,
): Promise<Buffer> {
  const elements = frameElements(frame)
  if (token !== null) {
    // [ADMITTED, pass, expires_ms, user]; every other reply has three places and no pass.
    if (elements.length !== 4) return frame
    const pass = await signer.sign({
      event,
      token,
      user: textOf(elements[3]),
      pass: textOf(elements[1]),
      expiresMs: numberOf(elements[2]),
    })
    return Buffer.concat([Buffer.from('*3\r\n'), elements[0], encodeReply(pass, protocol), elements[2]])
  }
  const rows = await Promise.all(
    elements.map(async (row) => {
      const [of, user, pass, expires] = frameElements(row)
      const signed = await signer.sign({
        event,
        token: textOf(of),
        user: textOf(user),
        pass: textOf(pass),
        expiresMs: numberOf(expires),
      })
      return Buffer.concat([Buffer.from('*4\r\n'), of, user, encodeReply(signed, protocol), expires])
    }),
  )
  return Buffer.concat([Buffer.from(`*${rows.length}\r\n`), ...rows])
}

/** The text of a bulk string frame. */
function textOf(frame: Buffer): string {
  return frame.toString('utf8', frame.indexOf(10) + 1, frame.length - 2)
}

/** The number of an integer frame; 0 for nil. */
function numberOf(frame: Buffer): number {
  return frame[0] === 58 ? Number(frame.toString('latin1', 1)) : 0
}
