// TQ.PEEK: the front of the line.

import type { TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.PEEK',
  summary: 'Shows the front of the line',
  group: 'line',
  since: '0.1.0',
  complexity: 'O(log n + k), k entries shown, n in the line',
  arity: -2,
  flags: ['readonly'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'count', type: 'integer', keyword: 'COUNT', optional: true, min: 1, max: 500 },
  ],
  execution: { by: 'script', script: 'tq-peek', keys: ['line', 'tickets'] },
  replies: [{ reply: 'array of [id, token, user]', when: 'Always; empty where nobody waits' }],
  errors: [],
  notes: ['COUNT defaults to 1.'],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.ENQUEUE concert-1 ben ticket-b',
    'TQ.PEEK concert-1 COUNT 10',
  ],
} as const satisfies TqSpec
