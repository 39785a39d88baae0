// TQ.CONFIRM: sold.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.CONFIRM',
  summary: 'Sells what a user holds: all or none',
  group: 'seats',
  since: '0.1.0',
  complexity: 'O(k log n), k seats or places, n held',
  arity: -5,
  flags: ['write'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'user', type: 'id' },
    { name: 'fence', type: 'integer', keyword: 'FENCE', optional: true, min: 1 },
    { name: 'id', type: 'id', keyword: 'ID', optional: true },
    {
      name: 'what',
      type: 'oneof',
      of: [
        {
          name: 'places',
          type: 'block',
          of: [
            { name: 'section', type: 'id', keyword: 'SECTION', optional: true },
            { name: 'quantity', type: 'integer', keyword: 'QTY', min: 1, max: 500 },
          ],
        },
        { name: 'seat', type: 'id', keyword: 'SEATS', multiple: true, unique: true },
      ],
    },
  ],
  execution: { by: 'script', script: 'tq-confirm', keys: EVENT_KEYS },
  replies: [
    { reply: '[SOLD, remaining, count]', when: 'All of it is sold to the user, now or before' },
    { reply: '[HOLD_EXPIRED, remaining, 0]', when: 'Some of it is not held any more; nothing was sold' },
    {
      reply: '[NOT_OWNER, remaining, 0]',
      when: 'Someone else holds or has bought some of it; nothing was sold',
    },
    { reply: '[FENCED, remaining, 0]', when: 'The holds have another fence; nothing was sold' },
  ],
  errors: [{ error: 'IDMISMATCH', when: 'The ID was used before with other arguments' }],
  notes: [
    'A hold past its deadline is always HOLD_EXPIRED; who wants the seat still holds it again first.',
    'QTY takes the oldest holds first, unless FENCE names one.',
  ],
  example: [
    'TQ.STOCK concert-1 SEATS A1 A2',
    'TQ.HOLD concert-1 ann PX 300 SEATS A1 A2',
    'TQ.CONFIRM concert-1 ann SEATS A1',
    '# sleep 0.4',
    'TQ.CONFIRM concert-1 ann SEATS A2',
  ],
} as const satisfies TqSpec
