// TQ.STOCK: what is on sale.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.STOCK',
  summary: 'Puts named seats, or a number of places, on sale',
  group: 'seats',
  since: '0.1.0',
  complexity: 'O(k), k seats named',
  arity: -4,
  flags: ['write', 'denyoom'],
  args: [
    { name: 'event', type: 'event' },
    {
      name: 'stock',
      type: 'oneof',
      of: [
        {
          name: 'places',
          type: 'block',
          of: [
            { name: 'section', type: 'id', keyword: 'SECTION', optional: true },
            { name: 'count', type: 'integer', keyword: 'COUNT', min: 0, max: 1_000_000_000 },
          ],
        },
        { name: 'seat', type: 'id', keyword: 'SEATS', multiple: true, unique: true },
      ],
    },
  ],
  execution: { by: 'script', script: 'tq-stock', keys: EVENT_KEYS, extras: ['layout'] },
  replies: [
    { reply: '[STOCKED, total]', when: 'The seats are on sale, or the number is set' },
    { reply: '[BELOW_SOLD, total]', when: 'COUNT is less than what is held and sold; nothing changed' },
  ],
  errors: [],
  notes: [
    'SEATS adds named seats, at most 500 in a call; naming one again changes nothing. COUNT sets how many places there are to sell, in the section or without one.',
    'A seat that was taken by number before it was named moves over to the named seats, with its hold or its buyer.',
  ],
  example: ['TQ.STOCK concert-1 SEATS A1 A2 A3', 'TQ.STOCK concert-1 SECTION standing COUNT 500'],
} as const satisfies TqSpec
