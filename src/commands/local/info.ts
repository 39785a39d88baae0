// INFO: the upstream's text, made that of one server, with a section of the proxy's own.

import { encodeCommand, encodeReply, Verbatim } from '../../resp/encode.ts'
import { answer, relayRewritten } from '../plan.ts'
import type { Environment, LocalCommands, LocalHandler } from './environment.ts'

const WITH_OWN_SECTION = new Set(['tq', 'all', 'default', 'everything'])

const info: LocalHandler = (request, session, environment) => {
  const sections: string[] = []
  for (let i = 1; i < request.argc; i++) sections.push(request.text(i).toLowerCase())
  const own = sections.length === 0 || sections.some((section) => WITH_OWN_SECTION.has(section))
  const upstream = sections.filter((section) => section !== 'tq')
  if (sections.length > 0 && upstream.length === 0)
    return answer(new Verbatim(ownSection(environment)), session)
  const { protocol } = session
  return relayRewritten(
    (frame) => {
      const text = asOneServer(bulkText(frame), environment.listenPort)
      // A blank line parts two sections; what names no section of Redis is empty there.
      const all = own ? (text === '' ? '' : `${text}\r\n`) + ownSection(environment) : text
      return encodeReply(new Verbatim(all), protocol)
    },
    encodeCommand(['INFO', ...upstream]),
  )
}

/** The text of a bulk or verbatim string. */
function bulkText(frame: Buffer): string {
  const from = frame.indexOf(10) + 1
  const text = frame.toString('utf8', from, frame.length - 2)
  return frame[0] === 61 ? text.slice(4) : text
}

/** What is behind us is a cluster; what is before us sees one server. */
function asOneServer(text: string, port: number): string {
  return text
    .replace(/^redis_mode:.*$/m, 'redis_mode:standalone')
    .replace(/^cluster_enabled:1/m, 'cluster_enabled:0')
    .replace(/^tcp_port:.*$/m, `tcp_port:${port}`)
}

function ownSection(environment: Environment): string {
  const { totals } = environment
  const lines = [
    '# TQ',
    `tq_version:${environment.version}`,
    `tq_uptime_in_seconds:${Math.floor((Date.now() - environment.startedAt) / 1000)}`,
    `tq_upstream:${environment.upstreamKind ?? 'unreachable'}`,
    `tq_upstream_ready:${environment.ready ? 1 : 0}`,
    `tq_upstream_masters:${environment.masters}`,
    `tq_upstream_in_flight:${environment.inFlight}`,
    `tq_connected_clients:${[...environment.sessions()].length}`,
    `tq_total_connections:${totals.connections}`,
    `tq_total_commands:${totals.commands}`,
    `tq_refused_connections:${totals.refused}`,
    `tq_commands_known:${environment.specs.size}`,
  ]
  return `${lines.join('\r\n')}\r\n`
}

export const infoCommands: LocalCommands = new Map([['info', { arity: -1, handle: info }]])
