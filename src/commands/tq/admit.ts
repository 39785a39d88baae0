// TQ.ADMIT: let people in, for workers and operators.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.ADMIT',
  summary: 'Lets people in from the front of the line, as far as rate and capacity allow',
  group: 'admission',
  since: '0.1.0',
  complexity: 'O(k log n), k people let in, n in the line',
  arity: -2,
  flags: ['write'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'count', type: 'integer', keyword: 'COUNT', optional: true, min: 1, max: 500 },
    { name: 'force', type: 'flag', keyword: 'FORCE', optional: true },
    { name: 'id', type: 'id', keyword: 'ID', optional: true },
  ],
  execution: { by: 'script', script: 'tq-admit', keys: EVENT_KEYS, extras: ['seed', 'signed'] },
  replies: [{ reply: 'array of [token, user, pass, expires_ms]', when: 'Always; strictly in line order' }],
  errors: [{ error: 'IDMISMATCH', when: 'The ID was used before with other arguments' }],
  notes: [
    'COUNT defaults to 1. FORCE ignores rate and capacity; an event that is paused, closed or not open yet lets nobody in.',
    'A call that is sent again with its ID gets its first result.',
  ],
  example: [
    'TQ.CONFIG concert-1 admit manual rate 100 burst 10',
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.ENQUEUE concert-1 ben ticket-b',
    'TQ.ADMIT concert-1 COUNT 1',
  ],
} as const satisfies TqSpec
