// TQ.VERIFY: is this pass good.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.VERIFY',
  summary: 'Checks a pass, and lets its owner in the first time',
  group: 'admission',
  since: '0.1.0',
  complexity: 'O(log n), n inside',
  arity: 3,
  flags: ['write', 'fast'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'pass', type: 'pass' },
  ],
  execution: { by: 'script', script: 'tq-verify', keys: EVENT_KEYS },
  replies: [
    { reply: '[VALID, user, ttl_ms]', when: 'The pass is good; ttl_ms is -1 where it has no end' },
    { reply: '[EXPIRED, nil, nil]', when: 'Its time is over' },
    { reply: '[REVOKED, nil, nil]', when: 'Its owner is done, or the event was closed before it was shown' },
    { reply: '[INVALID, nil, nil]', when: 'There is no such pass, or it ended longer than remember_ms ago' },
  ],
  errors: [],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.ENTER concert-1 ticket-a',
    'TQ.VERIFY concert-1 made-up',
  ],
} as const satisfies TqSpec
