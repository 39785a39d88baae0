// Finds things by a name off the wire, in any case, without making a string of it.

/** A hash table from names to values; look-ups read the bytes where they lie. */
export class NameTable<T> {
  private readonly names: (Buffer | null)[]
  private readonly values: (T | null)[]
  private readonly mask: number

  /** The names may be in any case. */
  constructor(entries: Iterable<readonly [string, T]>) {
    const list = [...entries]
    let size = 16
    while (size < list.length * 4) size *= 2
    this.names = new Array(size).fill(null)
    this.values = new Array(size).fill(null)
    this.mask = size - 1
    for (const [name, value] of list) {
      const bytes = Buffer.from(name.toLowerCase(), 'latin1')
      let at = hash(bytes, 0, bytes.length) & this.mask
      while (this.names[at] !== null && !this.names[at]!.equals(bytes)) at = (at + 1) & this.mask
      this.names[at] = bytes
      this.values[at] = value
    }
  }

  /** What stands under the name at `start` to `end` of `buf`; null where nothing does. */
  get(buf: Buffer, start: number, end: number): T | null {
    let at = hash(buf, start, end) & this.mask
    for (;;) {
      const name = this.names[at]
      if (name === null) return null
      if (name.length === end - start && same(name, buf, start)) return this.values[at]
      at = (at + 1) & this.mask
    }
  }
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte | 32 : byte
}

function hash(buf: Buffer, start: number, end: number): number {
  let value = end - start
  for (let i = start; i < end; i++) value = (Math.imul(value, 31) + lower(buf[i])) | 0
  return value ^ (value >>> 15)
}

function same(name: Buffer, buf: Buffer, start: number): boolean {
  for (let i = 0; i < name.length; i++) if (name[i] !== lower(buf[start + i])) return false
  return true
}
