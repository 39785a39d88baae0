// TQ.CONFIG: the settings of an event.

import { EVENT_KEYS, type TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.CONFIG',
  summary: 'Returns the settings of an event, or sets some of them, all or none',
  group: 'operating',
  since: '0.1.0',
  complexity: 'O(k), k settings given',
  arity: -2,
  flags: ['write', 'denyoom'],
  args: [
    { name: 'event', type: 'event' },
    {
      name: 'setting',
      type: 'block',
      optional: true,
      multiple: true,
      of: [
        { name: 'name', type: 'text' },
        { name: 'value', type: 'text' },
      ],
    },
  ],
  execution: { by: 'script', script: 'tq-config', keys: EVENT_KEYS, extras: ['layout'] },
  replies: [
    { reply: 'map of every setting and its value', when: 'No setting was given' },
    { reply: 'OK', when: 'All that were given are set' },
  ],
  errors: [
    { error: 'BADCONF', when: 'There is no such setting, or the value is out of its range; none was set' },
  ],
  notes: ['0 means off or unlimited.'],
  example: [
    'TQ.CONFIG concert-1 rate 50 burst 10 capacity 2000',
    'TQ.CONFIG concert-1 rate fast',
    'TQ.CONFIG concert-1',
  ],
} as const satisfies TqSpec
