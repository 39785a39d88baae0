// Writes commands and replies as RESP bytes.

/** The two versions of the protocol that a connection can speak. */
export type Protocol = 2 | 3

/** A reply of the proxy's own, before it is bytes. A string is a bulk string, null the version's nil. */
export type Reply =
  | string
  | number
  | null
  | Buffer
  | readonly Reply[]
  | ReadonlyMap<string, Reply>
  | ReadonlySet<Reply>
  | Simple
  | Failure
  | Verbatim

/** A status line: `+OK`. */
export class Simple {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** An error line; the first word is its code. */
export class Failure {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** Text for people: a verbatim string on RESP3, a bulk string on RESP2 (INFO, CLIENT LIST). */
export class Verbatim {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export const OK_REPLY: Buffer = Buffer.from('+OK\r\n')

/** An error line as bytes. Line breaks inside become spaces, as Redis does, so that it stays one reply. */
export function errorBytes(text: string): Buffer {
  return Buffer.from(`-${text.replace(/[\r\n]/g, ' ')}\r\n`)
}

/** A reply as bytes of one protocol version. Maps and sets are flat arrays on RESP2. */
export function encodeReply(reply: Reply, protocol: Protocol): Buffer {
  const out: Buffer[] = []
  writeReply(out, reply, protocol)
  return out.length === 1 ? out[0] : Buffer.concat(out)
}

/** A command as the array of bulk strings that Redis reads. */
export function encodeCommand(words: readonly (Buffer | string)[]): Buffer {
  const out: Buffer[] = [Buffer.from(`*${words.length}\r\n`)]
  for (const word of words) writeBulk(out, typeof word === 'string' ? Buffer.from(word) : word)
  return Buffer.concat(out)
}

function writeReply(out: Buffer[], reply: Reply, protocol: Protocol): void {
  if (reply === null) out.push(Buffer.from(protocol === 3 ? '_\r\n' : '$-1\r\n'))
  else if (typeof reply === 'string') writeBulk(out, Buffer.from(reply))
  else if (typeof reply === 'number') out.push(Buffer.from(`:${reply}\r\n`))
  else if (Buffer.isBuffer(reply)) writeBulk(out, reply)
  else if (reply instanceof Simple) out.push(Buffer.from(`+${reply.text}\r\n`))
  else if (reply instanceof Failure) out.push(errorBytes(reply.text))
  else if (reply instanceof Verbatim) writeVerbatim(out, reply.text, protocol)
  else if (reply instanceof Map) {
    out.push(Buffer.from(protocol === 3 ? `%${reply.size}\r\n` : `*${reply.size * 2}\r\n`))
    for (const [name, value] of reply) {
      writeBulk(out, Buffer.from(name))
      writeReply(out, value, protocol)
    }
  } else if (reply instanceof Set) {
    out.push(Buffer.from(`${protocol === 3 ? '~' : '*'}${reply.size}\r\n`))
    for (const member of reply) {
      // Redis sends words in a set (command flags) as status lines.
      if (typeof member === 'string') out.push(Buffer.from(`+${member}\r\n`))
      else writeReply(out, member, protocol)
    }
  } else {
    const items = reply as readonly Reply[]
    out.push(Buffer.from(`*${items.length}\r\n`))
    for (const item of items) writeReply(out, item, protocol)
  }
}

function writeBulk(out: Buffer[], bytes: Buffer): void {
  out.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF)
}

function writeVerbatim(out: Buffer[], text: string, protocol: Protocol): void {
  const bytes = Buffer.from(text)
  if (protocol === 2) writeBulk(out, bytes)
  else out.push(Buffer.from(`=${bytes.length + 4}\r\ntxt:`), bytes, CRLF)
}

const CRLF = Buffer.from('\r\n')
