// TQ.ENTER: go in when it is one's turn.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.ENTER',
  summary: "Goes in, if it is the token's turn, and returns its pass",
  group: 'admission',
  since: '0.1.0',
  complexity: 'O(log n), n in the line; O(k log n) where k people are let in',
  arity: 3,
  flags: ['write'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'token', type: 'id' },
  ],
  execution: { by: 'script', script: 'tq-enter', keys: EVENT_KEYS, extras: ['seed', 'signed'] },
  replies: [
    {
      reply: '[ADMITTED, pass, expires_ms or nil]',
      when: 'The token is in; asking again returns the same pass',
    },
    { reply: '[WAITING, position, retry_after_ms]', when: 'It is not its turn yet' },
    { reply: '[EXPIRED, nil, nil]', when: 'It was let in, and came too late' },
    { reply: '[UNKNOWN, nil, nil]', when: 'It neither waits nor was let in' },
    { reply: '[PAUSED, position, nil]', when: 'Nobody is let in for now' },
    { reply: '[CLOSED, nil, nil]', when: 'The event is closed' },
  ],
  errors: [],
  notes: [
    'With the setting admit auto any ENTER first lets in from the front as many as rate and capacity allow, at most 500, whoever calls; with admit manual only TQ.ADMIT does.',
    'expires_ms is when stay_ms is over, nil without one. Counts as a heartbeat where the event has idle_ms.',
  ],
  example: [
    'TQ.CONFIG concert-1 capacity 1',
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.ENQUEUE concert-1 ben ticket-b',
    'TQ.ENTER concert-1 ticket-a',
    'TQ.ENTER concert-1 ticket-b',
    '# ann is done, and her place is free',
    'TQ.DONE concert-1 ticket-a',
    'TQ.ENTER concert-1 ticket-b',
  ],
} as const satisfies TqSpec
