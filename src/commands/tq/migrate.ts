// TQ.MIGRATE: take over an older queue.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.MIGRATE',
  summary: 'Takes a sorted set of tokens by time into the front of the line',
  group: 'operating',
  since: '0.1.0',
  complexity: 'O(k log n), k entries moved, n in the line',
  arity: -2,
  flags: ['write', 'denyoom'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'legacy', type: 'key', keyword: 'FROM', optional: true, fallback: 'queue:event:{*}' },
    { name: 'limit', type: 'integer', keyword: 'LIMIT', optional: true, min: 1, max: 500 },
    { name: 'dryrun', type: 'flag', keyword: 'DRYRUN', optional: true },
  ],
  execution: { by: 'script', script: 'tq-migrate', keys: EVENT_KEYS, extras: ['layout'] },
  replies: [{ reply: '[remaining, moved, skipped]', when: 'Always; call again until remaining is 0' }],
  errors: [{ error: 'CROSSSLOT', when: 'The key is in another slot than the event' }],
  notes: [
    'Entries keep their order and stand before all who joined here; the token stands for the user. Tokens that are known here already are skipped, and dropped from the old queue.',
    'LIMIT, 50 unless told otherwise, is how many are looked at: a millisecond or two a call. DRYRUN changes nothing and says what would be done.',
  ],
  example: [
    'ZADD queue:event:{concert-1} 1700000000000 old-1 1700000000000 old-2 1700000000001 old-3',
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.MIGRATE concert-1 DRYRUN',
    'TQ.MIGRATE concert-1',
    'TQ.PEEK concert-1 COUNT 10',
  ],
} as const satisfies TqSpec
