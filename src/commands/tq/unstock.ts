// TQ.UNSTOCK: withdraw seats from sale.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.UNSTOCK',
  summary: 'Withdraws seats that are free from sale: all or none',
  group: 'seats',
  since: '0.1.0',
  complexity: 'O(k log n), k seats named, n held',
  arity: -4,
  flags: ['write'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'seat', type: 'id', keyword: 'SEATS', multiple: true, unique: true },
  ],
  execution: { by: 'script', script: 'tq-unstock', keys: EVENT_KEYS },
  replies: [
    { reply: '[UNSTOCKED, total, count]', when: 'count seats were withdrawn; those not on sale count 0' },
    { reply: '[SEAT_UNAVAILABLE, total, 0]', when: 'Some of them are held or sold; none was withdrawn' },
  ],
  errors: [],
  example: ['TQ.STOCK concert-1 SEATS A1 A2', 'TQ.UNSTOCK concert-1 SEATS A2'],
} as const satisfies TqSpec
