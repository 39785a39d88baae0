// TQ.TOUCH: still there.

import type { TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.TOUCH',
  summary: 'Notes that people in the line are still there',
  group: 'line',
  since: '0.1.0',
  complexity: 'O(k log n), k tokens, n in the line',
  arity: -3,
  flags: ['write', 'denyoom'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'token', type: 'id', multiple: true },
  ],
  execution: { by: 'script', script: 'tq-touch', keys: ['event', 'line', 'seen'] },
  replies: [{ reply: 'integer', when: 'How many of the tokens wait' }],
  errors: [],
  notes: ['Writes only where the event has idle_ms, and at most ten times in that time per token.'],
  example: [
    'TQ.CONFIG concert-1 idle_ms 30000',
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.TOUCH concert-1 ticket-a ticket-z',
  ],
} as const satisfies TqSpec
