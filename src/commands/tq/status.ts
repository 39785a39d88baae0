// TQ.STATUS: all that is known of a token.

import type { TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.STATUS',
  summary: 'Returns the state of a token, without moving the line',
  group: 'line',
  since: '0.1.0',
  complexity: 'O(log n), n entries in the line',
  arity: 3,
  flags: ['write', 'fast'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'token', type: 'id' },
  ],
  execution: {
    by: 'script',
    script: 'tq-status',
    keys: ['event', 'line', 'tickets', 'dedupe:0', 'dedupe:1', 'admitted', 'inside', 'seen'],
  },
  replies: [
    {
      reply: 'map of state, position, total, ready, eta_ms, waited_ms, poll_after_ms, expires_ms',
      when: 'The token is known; a field that does not apply is nil',
    },
    { reply: 'nil', when: 'The token is unknown, or gone for longer than remember_ms' },
  ],
  errors: [],
  notes: [
    'Counts as a heartbeat where the event has idle_ms; writes nothing otherwise.',
    'state is waiting, admitted, inside, expired or left; total counts the whole line; ready is 1 where TQ.ENTER would admit now; eta_ms is -1 where it is unknown.',
  ],
  example: [
    'TQ.CONFIG concert-1 admit manual rate 10',
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.STATUS concert-1 ticket-a',
  ],
} as const satisfies TqSpec
