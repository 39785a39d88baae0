// TQ.STATS: the numbers of an event.

import type { TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.STATS',
  summary: 'Counts what waits, was let in, left, is held and sold',
  group: 'operating',
  since: '0.1.0',
  complexity: 'O(s log n), s sections, n held',
  arity: 2,
  flags: ['readonly'],
  args: [{ name: 'event', type: 'event' }],
  execution: {
    by: 'script',
    script: 'tq-stats',
    keys: ['event', 'line', 'tickets', 'admitted', 'inside', 'holds', 'stock'],
  },
  replies: [{ reply: 'map of counts', when: 'Always; all 0 for an event that is not there' }],
  errors: [],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.STOCK concert-1 SEATS A1 A2',
    'TQ.HOLD concert-1 ann SEATS A1',
    'TQ.STATS concert-1',
  ],
} as const satisfies TqSpec
