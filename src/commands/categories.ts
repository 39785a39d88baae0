// The categories of commands that rules of users speak of, where the upstream does not name them.

import type { TqSpec } from './spec.ts'

/** The categories of a TQ command, without the `@`. */
export function tqCategories(spec: TqSpec): string[] {
  return [
    spec.flags.includes('write') ? 'write' : 'read',
    spec.flags.includes('fast') ? 'fast' : 'slow',
    'tq',
  ]
}

const CONNECTION = new Set(['connection', 'slow'])
const ADMIN = new Set(['admin', 'dangerous', 'slow'])

/** Commands about all clients or all users; everything else that begins with `client` is about one's own. */
const ADMIN_NAMES = new Set([
  'client|list',
  'client|kill',
  'client|pause',
  'client|unpause',
  'client|no-evict',
  'acl|list',
  'acl|users',
  'acl|getuser',
  'role',
])

const CONNECTION_NAMES = new Set(['ping', 'echo', 'select', 'readonly', 'readwrite', 'asking'])

/**
 * The categories of what is answered here and the upstream does not know, be it older than the command or not
 * reached yet. Null: not known; rules then never let it pass by a category, and stop it by any.
 */
export function ownCategories(name: string): ReadonlySet<string> | null {
  if (ADMIN_NAMES.has(name)) return ADMIN
  return name.startsWith('client|') || CONNECTION_NAMES.has(name) ? CONNECTION : null
}
