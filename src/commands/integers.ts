// Reads whole numbers as Redis reads them.

/**
 * The number in `text`; null where Redis would say "value is not an integer or out of range": signs other than
 * a leading minus, leading zeros, spaces, more than 2^53.
 */
export function readInteger(text: string): number | null {
  if (!/^(0|-?[1-9]\d{0,15})$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}
