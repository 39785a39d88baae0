// TQ.HELP: the specifications as text for a person at redis-cli.

import { Simple } from '../../resp/encode.ts'
import { helpText, syntaxLine } from '../command-docs.ts'
import { answer, refuse } from '../plan.ts'
import type { LocalCommands, LocalHandler } from './environment.ts'

const help: LocalHandler = (request, session, environment) => {
  if (request.argc > 2) return refuse("ERR wrong number of arguments for 'tq.help' command")
  if (request.argc === 2) {
    const given = request.text(1).toUpperCase()
    const spec = environment.specs.get(given) ?? environment.specs.get(`TQ.${given}`)
    if (spec === undefined)
      return refuse(`ERR no such command '${request.text(1).slice(0, 64)}', TQ.HELP lists all`)
    return answer(
      helpText(spec).map((line) => new Simple(line)),
      session,
    )
  }
  const lines = ['TQ.HELP <command> says more. The commands:']
  for (const spec of environment.specs.values()) {
    lines.push(`${spec.name} ${syntaxLine(spec.args)}`.trimEnd(), `    ${spec.summary}.`)
  }
  return answer(
    lines.map((line) => new Simple(line)),
    session,
  )
}

export const helpCommands: LocalCommands = new Map([['tq.help', { arity: -1, handle: help }]])
