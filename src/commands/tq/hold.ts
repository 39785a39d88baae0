// TQ.HOLD: keep seats for a user until they pay.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.HOLD',
  summary: 'Holds seats, or a number of places, for a user: all or none',
  group: 'seats',
  since: '0.1.0',
  complexity: 'O(k log n), k seats or places, n held',
  arity: -5,
  flags: ['write', 'denyoom'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'user', type: 'id' },
    {
      name: 'expiry',
      type: 'oneof',
      optional: true,
      of: [
        { name: 'seconds', type: 'integer', keyword: 'EX', min: 1, max: 604_800, scale: 1000, place: 'ttl' },
        { name: 'milliseconds', type: 'integer', keyword: 'PX', min: 1, max: 604_800_000, place: 'ttl' },
      ],
    },
    { name: 'pass', type: 'pass', keyword: 'PASS', optional: true },
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
  execution: { by: 'script', script: 'tq-hold', keys: EVENT_KEYS },
  replies: [
    { reply: '[HELD, remaining, fence, expires_ms, nil]', when: 'All of it is held' },
    { reply: '[SEAT_UNAVAILABLE, remaining, nil, nil, seats]', when: 'The seats listed are held or sold' },
    { reply: '[SOLD_OUT, remaining, nil, nil, nil]', when: 'Fewer places are available than asked for' },
    { reply: '[SEAT_UNKNOWN, remaining, nil, nil, seats]', when: 'The seats listed are not on sale' },
    { reply: '[NOT_ADMITTED, remaining, nil, nil, nil]', when: 'The event asks for a pass and this is none' },
    { reply: '[LIMIT, remaining, nil, nil, nil]', when: 'The user would hold and own more than max_seats' },
    { reply: '[CLOSED, remaining, nil, nil, nil]', when: 'The event is closed' },
  ],
  errors: [{ error: 'IDMISMATCH', when: 'The ID was used before with other arguments' }],
  notes: [
    'The time to live defaults to the setting hold_ttl_ms and is cut at max_hold_ms. A hold past its deadline is free at once, for every command.',
    'All seats of a call get one new fence; seats that the user already holds keep their deadline, and expires_ms is the earliest. Naming exactly what one holds returns the same hold.',
    'Each QTY call makes a hold of its own. Where an event has a plain COUNT and no named seats, any seat name is accepted, each once, up to the count.',
    'At most 500 seats or places in a call.',
  ],
  example: [
    'TQ.STOCK concert-1 SEATS A1 A2',
    'TQ.STOCK concert-1 SECTION standing COUNT 3',
    'TQ.HOLD concert-1 ann EX 120 SEATS A1',
    'TQ.HOLD concert-1 ben SEATS A1 A2',
    'TQ.HOLD concert-1 ben SECTION standing QTY 2',
    'TQ.HOLD concert-1 cat SECTION standing QTY 2',
  ],
} as const satisfies TqSpec
