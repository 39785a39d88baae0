// TQ.HOLDS: what one user holds.

import type { TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.HOLDS',
  summary: 'Lists what a user holds',
  group: 'seats',
  since: '0.1.0',
  complexity: 'O(k), k holds of the user',
  arity: 3,
  flags: ['readonly'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'user', type: 'id' },
  ],
  execution: { by: 'script', script: 'tq-holds', keys: ['event', 'users', 'seats', 'stock'] },
  replies: [
    {
      reply: 'array of [seat or section, quantity, fence, expires_ms]',
      when: 'Always; nil stands for places without a section. The first 500',
    },
  ],
  errors: [],
  example: [
    'TQ.STOCK concert-1 SEATS A1',
    'TQ.STOCK concert-1 SECTION standing COUNT 10',
    'TQ.HOLD concert-1 ann SEATS A1',
    'TQ.HOLD concert-1 ann SECTION standing QTY 2',
    'TQ.HOLDS concert-1 ann',
  ],
} as const satisfies TqSpec
