// TQ.ENQUEUE: join the line.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.ENQUEUE',
  summary: 'Joins the line of an event, once per dedupe key',
  group: 'line',
  since: '0.1.0',
  complexity: 'O(log n), n entries in the line',
  arity: -4,
  flags: ['write', 'denyoom', 'fast'],
  args: [
    { name: 'event', type: 'event' },
    { name: 'user', type: 'id' },
    { name: 'token', type: 'id' },
    { name: 'dedupe', type: 'id', keyword: 'DEDUPE', optional: true },
    { name: 'ttl', type: 'integer', keyword: 'TTL', optional: true, min: 1, max: 604_800, scale: 1000 },
  ],
  execution: { by: 'script', script: 'tq-enqueue', keys: EVENT_KEYS, extras: ['layout'], userStream: true },
  replies: [
    { reply: '[QUEUED, id, position]', when: 'The token joined' },
    {
      reply: '[DUPLICATE, id, position or nil]',
      when: "The dedupe key was used within its TTL, or the token still waits, is admitted or inside; id and position are the original's",
    },
    { reply: '[CLOSED, nil, nil]', when: 'The event is closed' },
    { reply: '[PAUSED, nil, nil]', when: 'The event takes nobody in for now' },
    { reply: '[LIMIT, nil, nil]', when: 'The user has max_per_user entries waiting' },
    { reply: '[FULL, nil, nil]', when: 'maxlen entries wait' },
  ],
  errors: [],
  notes: [
    'The refusals are checked in the order DUPLICATE, CLOSED, PAUSED, LIMIT, FULL.',
    'Without DEDUPE the token itself is the dedupe key; tokens and dedupe keys are separate name spaces. TTL is how long the key counts as used, in seconds from the first call; the default is the setting dedupe_ttl_ms.',
    'An id looks like a stream id, milliseconds and sequence number, and ids grow with the line.',
  ],
  example: [
    'TQ.ENQUEUE concert-1 ann ticket-a',
    'TQ.ENQUEUE concert-1 ben ticket-b DEDUPE order-77 TTL 600',
    "# the same dedupe key again: the original's id and its position now",
    'TQ.ENQUEUE concert-1 ben ticket-c DEDUPE order-77',
  ],
} as const satisfies TqSpec
