// Which of the 16384 slots a key belongs to.

export const SLOT_COUNT = 16384

const OPEN_BRACE = 123
const CLOSE_BRACE = 125

/** CRC16 XMODEM (polynomial 0x1021), as Redis Cluster uses it. */
const TABLE = new Uint16Array(256).map((_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

/**
 * The slot of the key at `start` to `end` of `buf`. Only the hash tag counts: what stands between the first
 * `{` and the next `}`, where that is not empty.
 */
export function keySlot(buf: Buffer, start = 0, end = buf.length): number {
  let from = start
  let to = end
  for (let i = start; i < end; i++) {
    if (buf[i] !== OPEN_BRACE) continue
    for (let j = i + 1; j < end; j++) {
      if (buf[j] !== CLOSE_BRACE) continue
      if (j > i + 1) {
        from = i + 1
        to = j
      }
      break
    }
    break
  }
  let crc = 0
  for (let i = from; i < to; i++) crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >> 8) ^ buf[i]]
  return crc & (SLOT_COUNT - 1)
}
