// The specification of TQ.EVENTS.

import type { TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.EVENTS',
  summary: 'Lists the events of all shards, page by page',
  group: 'operating',
  since: '0.1.0',
  complexity: 'O(n) for a page of n',
  arity: -1,
  flags: ['readonly'],
  args: [
    { name: 'cursor', type: 'integer', keyword: 'CURSOR', optional: true, min: 0 },
    { name: 'match', type: 'text', keyword: 'MATCH', optional: true },
    { name: 'count', type: 'integer', keyword: 'COUNT', optional: true, min: 1, max: 10_000 },
  ],
  execution: { by: 'local' },
  replies: [{ reply: '[cursor, [event, …]]', when: 'Always; a cursor of 0 ends the list' }],
  errors: [],
  notes: [
    'As with SCAN, an event may be named more than once while the list changes, and a page may be empty before the end.',
    'A proxy writes an event to the list when it first writes to it; what was purged leaves the list.',
  ],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.ENQUEUE concert-2 ben ticket-b',
    'TQ.EVENTS MATCH concert-*',
  ],
} as const satisfies TqSpec
