// TQ.CLOSE: the end of an event.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.CLOSE',
  summary: 'Ends joins, entries and holds for good',
  group: 'operating',
  since: '0.1.0',
  complexity: 'O(1)',
  arity: 2,
  flags: ['write', 'denyoom'],
  args: [{ name: 'event', type: 'event' }],
  execution: { by: 'script', script: 'tq-close', keys: EVENT_KEYS, extras: ['layout'] },
  replies: [{ reply: 'OK', when: 'Always' }],
  errors: [],
  notes: [
    'All keys of the event get retain_ms to live. Its settings and the mark that it is closed stay for 90 days more, so that it does not open again by accident.',
  ],
  example: ['TQ.ENQUEUE concert-1 ann ticket-a', 'TQ.CLOSE concert-1', 'TQ.ENQUEUE concert-1 ben ticket-b'],
} as const satisfies TqSpec
