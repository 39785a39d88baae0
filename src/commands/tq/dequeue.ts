// TQ.DEQUEUE: take what one user has waited for longest.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.DEQUEUE',
  summary: "Takes a user's oldest entries out of the line",
  group: 'line',
  since: '0.1.0',
  complexity: 'O(k log n), k entries taken, n in the line',
  arity: -3,
  flags: ['write'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'user', type: 'id' },
    { name: 'count', type: 'integer', keyword: 'COUNT', optional: true, min: 1, max: 500 },
    { name: 'id', type: 'id', keyword: 'ID', optional: true },
  ],
  execution: { by: 'script', script: 'tq-dequeue', keys: EVENT_KEYS },
  replies: [{ reply: 'array of [id, token]', when: 'Always; in the order they were enqueued' }],
  errors: [{ error: 'IDMISMATCH', when: 'The ID was used before with other arguments' }],
  notes: ['COUNT defaults to 1. A call that is sent again with its ID gets its first result.'],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.ENQUEUE concert-1 ann ticket-b',
    'TQ.DEQUEUE concert-1 ann ID worker-7:1',
    '# sent again because the reply was lost: the same entry, not the next one',
    'TQ.DEQUEUE concert-1 ann ID worker-7:1',
  ],
} as const satisfies TqSpec
