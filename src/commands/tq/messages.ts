// TQ.MESSAGES: what one user has in the line.

import type { TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.MESSAGES',
  summary: 'Lists the waiting entries of a user, in the order they were enqueued',
  group: 'line',
  since: '0.1.0',
  complexity: 'O(k log n), k entries of the user, n in the line',
  arity: 3,
  flags: ['readonly'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'user', type: 'id' },
  ],
  execution: { by: 'script', script: 'tq-messages', keys: ['line', 'tickets', 'users'] },
  replies: [{ reply: 'array of [id, token, position]', when: 'Always; empty where nothing waits' }],
  errors: [],
  notes: ['The first 500 entries.'],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.ENQUEUE concert-1 ben ticket-b',
    'TQ.ENQUEUE concert-1 ann ticket-c',
    'TQ.MESSAGES concert-1 ann',
  ],
} as const satisfies TqSpec
