// TQ.DONE: someone inside has left.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.DONE',
  summary: 'Notes that someone who was let in is done, which frees a place under capacity',
  group: 'admission',
  since: '0.1.0',
  complexity: 'O(log n), n inside',
  arity: 3,
  flags: ['write', 'fast'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'token', type: 'id' },
  ],
  execution: { by: 'script', script: 'tq-done', keys: EVENT_KEYS },
  replies: [
    { reply: '1', when: 'A place is free, and the pass is revoked' },
    { reply: '0', when: 'The token was neither admitted nor inside' },
  ],
  errors: [],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.ENTER concert-1 ticket-a',
    'TQ.DONE concert-1 ticket-a',
    'TQ.DONE concert-1 ticket-a',
  ],
} as const satisfies TqSpec
