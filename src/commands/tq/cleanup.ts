// TQ.CLEANUP: give memory back.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.CLEANUP',
  summary: 'Drops old entries, passes and holds that ran out, and trims the journal',
  group: 'operating',
  since: '0.1.0',
  complexity: 'O(k log n), k entries, passes and holds dropped',
  arity: -2,
  flags: ['write'],
  args: [
    { name: 'event', type: 'event' },
    {
      name: 'older',
      type: 'integer',
      keyword: 'OLDER',
      optional: true,
      min: 0,
      max: 31_536_000,
      scale: 1000,
    },
    { name: 'limit', type: 'integer', keyword: 'LIMIT', optional: true, min: 1, max: 500 },
  ],
  execution: { by: 'script', script: 'tq-cleanup', keys: EVENT_KEYS },
  replies: [
    {
      reply: '[more, entries, passes, holds]',
      when: 'Always; more is 1 where the limit was reached: call again',
    },
  ],
  errors: [],
  notes: [
    'Entries are dropped only with OLDER: those that wait for longer. LIMIT, 500 unless told otherwise, is for each of the three. The journal keeps retain_ms.',
    'Nothing depends on it: what ran out counts as free or expired before it is dropped.',
  ],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.STOCK concert-1 SEATS A1',
    'TQ.HOLD concert-1 ann PX 100 SEATS A1',
    '# sleep 0.2',
    'TQ.CLEANUP concert-1 OLDER 0',
  ],
} as const satisfies TqSpec
