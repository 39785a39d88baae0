// TQ.CANCEL: back on sale.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.CANCEL',
  summary: 'Puts what was sold to a user back on sale',
  group: 'seats',
  since: '0.1.0',
  complexity: 'O(k), k seats named',
  arity: -5,
  flags: ['write'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'user', type: 'id' },
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
  execution: { by: 'script', script: 'tq-cancel', keys: EVENT_KEYS },
  replies: [
    {
      reply: '[RELEASED, remaining, count]',
      when: 'count seats or places are on sale again; what was free counts 0',
    },
    { reply: '[NOT_OWNER, remaining, 0]', when: 'Some of it was not sold to this user; nothing changed' },
  ],
  errors: [{ error: 'IDMISMATCH', when: 'The ID was used before with other arguments' }],
  example: [
    'TQ.STOCK concert-1 SEATS A1',
    'TQ.HOLD concert-1 ann SEATS A1',
    'TQ.CONFIRM concert-1 ann SEATS A1',
    'TQ.CANCEL concert-1 ann SEATS A1',
  ],
} as const satisfies TqSpec
