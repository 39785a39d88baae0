// TQ.PAUSE: hold the line.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.PAUSE',
  summary: 'Stops joins, admissions or both, until TQ.RESUME',
  group: 'operating',
  since: '0.1.0',
  complexity: 'O(1)',
  arity: -2,
  flags: ['write', 'denyoom', 'fast'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'direction', type: 'word', words: ['IN', 'OUT', 'ALL'], optional: true },
  ],
  execution: { by: 'script', script: 'tq-pause', keys: EVENT_KEYS, extras: ['layout'] },
  replies: [{ reply: 'OK', when: 'Always' }],
  errors: [],
  notes: ['IN: nobody joins; OUT: nobody is admitted; ALL, the default: both. The last call counts.'],
  example: [
    'TQ.PAUSE concert-1 IN',
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.RESUME concert-1',
    'TQ.ENQUEUE concert-1 ann ticket-a',
  ],
} as const satisfies TqSpec
