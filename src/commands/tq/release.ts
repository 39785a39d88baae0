// TQ.RELEASE: give back what is held.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.RELEASE',
  summary: 'Gives held seats, or places, back before their time',
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
  execution: { by: 'script', script: 'tq-release', keys: EVENT_KEYS },
  replies: [
    {
      reply: '[RELEASED, remaining, count]',
      when: 'count seats or places are free again; what was free counts 0',
    },
    {
      reply: '[NOT_OWNER, remaining, 0]',
      when: 'Someone else holds it, or it is sold; nothing was released',
    },
    { reply: '[FENCED, remaining, 0]', when: 'The hold has another fence; nothing was released' },
  ],
  errors: [{ error: 'IDMISMATCH', when: 'The ID was used before with other arguments' }],
  notes: ['QTY takes the oldest holds first, unless FENCE names one. Works with a full memory.'],
  example: [
    'TQ.STOCK concert-1 SEATS A1',
    'TQ.HOLD concert-1 ann SEATS A1',
    'TQ.RELEASE concert-1 ben SEATS A1',
    'TQ.RELEASE concert-1 ann SEATS A1',
  ],
} as const satisfies TqSpec
