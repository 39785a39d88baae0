// TQ.RESUME: go on.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.RESUME',
  summary: 'Ends a pause',
  group: 'operating',
  since: '0.1.0',
  complexity: 'O(1)',
  arity: 2,
  flags: ['write', 'fast'],
  args: [{ name: 'event', type: 'event' }],
  execution: { by: 'script', script: 'tq-resume', keys: EVENT_KEYS },
  replies: [{ reply: 'OK', when: 'Always, paused or not' }],
  errors: [],
  example: ['TQ.PAUSE concert-1', 'TQ.RESUME concert-1'],
} as const satisfies TqSpec
