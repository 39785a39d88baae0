// TQ.POS: where a token stands in the line.

import type { TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.POS',
  summary: 'Returns the position of a token in the line',
  group: 'line',
  since: '0.1.0',
  complexity: 'O(log n), n entries in the line',
  arity: 3,
  flags: ['readonly', 'fast'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'token', type: 'id' },
  ],
  execution: { by: 'command', command: 'ZRANK', key: 'line' },
  replies: [
    { reply: 'integer', when: 'The entries ahead, plus one: 1 is the front' },
    { reply: 'nil', when: 'The token does not wait' },
  ],
  errors: [],
  notes: ['Exact, and never writes.'],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.ENQUEUE concert-1 ben ticket-b',
    'TQ.POS concert-1 ticket-b',
    'TQ.POS concert-1 nobody',
  ],
} as const satisfies TqSpec
