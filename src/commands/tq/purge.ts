// TQ.PURGE: delete an event.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.PURGE',
  summary: "Deletes an event's data",
  group: 'operating',
  since: '0.1.0',
  complexity: 'O(1); the memory is freed in the background',
  purges: true,
  arity: -2,
  flags: ['write'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'limit', type: 'integer', keyword: 'LIMIT', optional: true, min: 1, max: 500 },
  ],
  execution: { by: 'script', script: 'tq-purge', keys: EVENT_KEYS },
  replies: [{ reply: '[remaining, deleted]', when: 'Always; numbers of keys' }],
  errors: [],
  notes: [
    'LIMIT is how many keys one call may delete; until the last one is gone the event counts as closed. A closed event keeps its mark.',
  ],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.PURGE concert-1 LIMIT 10',
    'TQ.PURGE concert-1 LIMIT 10',
  ],
} as const satisfies TqSpec
