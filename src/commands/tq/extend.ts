// TQ.EXTEND: more time to pay.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.EXTEND',
  summary: 'Gives holds more time, never past max_hold_ms after the first hold',
  group: 'seats',
  since: '0.1.0',
  complexity: 'O(k log n), k seats or places, n held',
  arity: -7,
  flags: ['write', 'denyoom'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'user', type: 'id' },
    {
      name: 'expiry',
      type: 'oneof',
      of: [
        { name: 'seconds', type: 'integer', keyword: 'EX', min: 1, max: 604_800, scale: 1000, place: 'ttl' },
        { name: 'milliseconds', type: 'integer', keyword: 'PX', min: 1, max: 604_800_000, place: 'ttl' },
      ],
    },
    { name: 'fence', type: 'integer', keyword: 'FENCE', optional: true, min: 1 },
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
  execution: { by: 'script', script: 'tq-extend', keys: EVENT_KEYS },
  replies: [
    {
      reply: '[HELD, remaining, fence, expires_ms, nil]',
      when: 'All of it has more time; expires_ms is the earliest',
    },
    {
      reply: '[HOLD_EXPIRED, remaining, nil, nil, seats or nil]',
      when: 'The seats listed are not held any more',
    },
    {
      reply: '[NOT_OWNER, remaining, nil, nil, seats or nil]',
      when: 'Someone else holds the seats listed, or they are sold',
    },
    { reply: '[FENCED, remaining, nil, nil, seats or nil]', when: 'The holds have another fence' },
  ],
  errors: [],
  notes: [
    'A deadline never moves back. QTY extends the oldest holds that cover the number, each as a whole.',
  ],
  example: [
    'TQ.STOCK concert-1 SEATS A1',
    'TQ.HOLD concert-1 ann EX 120 SEATS A1',
    'TQ.EXTEND concert-1 ann EX 300 SEATS A1',
    'TQ.EXTEND concert-1 ben EX 300 SEATS A1',
  ],
} as const satisfies TqSpec
