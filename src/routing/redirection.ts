// Reads MOVED and ASK replies.

/** Where a node sent us. `host` is empty where it means "the same host as mine". */
export interface Redirection {
  kind: 'MOVED' | 'ASK'
  slot: number
  host: string
  port: number
}

/**
 * Reads `MOVED 3999 127.0.0.1:6381` and `ASK …`. The host may be a name, an IPv6 address (its colons are its
 * own: the port stands behind the last one), or empty. Null for any other text.
 */
export function parseRedirection(text: string): Redirection | null {
  const match = /^(MOVED|ASK) (\d{1,5}) (\S*):(\d{1,5})$/.exec(text)
  if (match === null) return null
  const host = match[3].replace(/^\[(.*)\]$/, '$1')
  return { kind: match[1] as 'MOVED' | 'ASK', slot: Number(match[2]), host, port: Number(match[4]) }
}
