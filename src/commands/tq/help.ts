// TQ.HELP: the commands explained.

import type { TqSpec } from '../spec.ts'

export const command = {
  name: 'TQ.HELP',
  summary: 'Explains a TQ command, or lists them all',
  group: 'operating',
  since: '0.1.0',
  complexity: 'O(1)',
  arity: -1,
  flags: ['readonly', 'fast'],
  args: [{ name: 'command', type: 'text', optional: true }],
  execution: { by: 'local' },
  replies: [{ reply: 'array of lines', when: 'Always' }],
  errors: [{ error: 'ERR', when: 'There is no such command' }],
  example: ['TQ.HELP pos'],
} as const satisfies TqSpec
