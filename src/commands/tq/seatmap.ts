// TQ.SEATMAP: every seat and its state.

import type { TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.SEATMAP',
  summary: 'Lists the seats of an event with their states, in pages',
  group: 'seats',
  since: '0.1.0',
  complexity: 'O(k), k seats of the page',
  arity: -2,
  flags: ['readonly'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'cursor', type: 'integer', keyword: 'CURSOR', optional: true, min: 0 },
    { name: 'count', type: 'integer', keyword: 'COUNT', optional: true, min: 1, max: 500 },
  ],
  execution: { by: 'script', script: 'tq-seatmap', keys: ['event', 'seats'] },
  replies: [
    {
      reply: '[cursor, [seat, state, user, expires_ms, …]]',
      when: 'Always; the cursor is 0 when all was seen',
    },
  ],
  errors: [],
  notes: [
    'state is free, held or sold; user and expires_ms are nil where they do not apply. As with HSCAN, COUNT is a hint, and a seat may come twice while the event changes.',
  ],
  example: ['TQ.STOCK concert-1 SEATS A1 A2', 'TQ.HOLD concert-1 ann SEATS A1', 'TQ.SEATMAP concert-1'],
} as const satisfies TqSpec
