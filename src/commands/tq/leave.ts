// TQ.LEAVE: give up a place in the line.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.LEAVE',
  summary: 'Takes a token out of the line',
  group: 'line',
  since: '0.1.0',
  complexity: 'O(log n), n entries in the line',
  arity: 3,
  flags: ['write', 'fast'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'token', type: 'id' },
  ],
  execution: { by: 'script', script: 'tq-leave', keys: EVENT_KEYS },
  replies: [
    { reply: '1', when: 'The token left' },
    { reply: '0', when: 'It did not wait' },
  ],
  errors: [],
  notes: [
    'A token that joined without a DEDUPE key cannot join again until its dedupe time, counted from the join, is over.',
  ],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.LEAVE concert-1 ticket-a',
    'TQ.LEAVE concert-1 ticket-a',
  ],
} as const satisfies TqSpec
