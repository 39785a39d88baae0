// INFO: the upstream's text, made that of one server, with a section of the proxy's own.

import { encodeCommand, encodeReply, Verbatim } from '../../resp/encode.ts'
import type { Gather } from '../gather.ts'
import { answer, planGather, relay } from '../plan.ts'
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
  const gather: Gather = {
    parts: null,
    wire: encodeCommand(['INFO', ...upstream]),
    merge: (frames) => {
      const text = asOneServer(mergeInfo(frames.map(bulkText)), environment.listenPort)
      // A blank line parts two sections; what names no section of Redis is empty there.
      const all = own ? (text === '' ? '' : `${text}\r\n`) + ownSection(environment) : text
      return encodeReply(new Verbatim(all), protocol)
    },
  }
  return environment.masters === 0 ? relay(-1, false) : planGather(gather, false)
}

/** Fields that add up over the masters; of all others the first master's value stands. */
const ADD_UP = new Set([
  'blocked_clients',
  'used_memory',
  'used_memory_rss',
  'used_memory_dataset',
  'maxmemory',
  'total_commands_processed',
  'instantaneous_ops_per_sec',
  'total_net_input_bytes',
  'total_net_output_bytes',
  'expired_keys',
  'evicted_keys',
  'keyspace_hits',
  'keyspace_misses',
])

/** The texts of all masters as one: the first one's, with what adds up added up, the keyspace above all. */
function mergeInfo(texts: readonly string[]): string {
  if (texts.length === 1) return texts[0]
  const totals = new Map<string, number>()
  let keys = 0
  let expires = 0
  let ttl = 0
  for (const text of texts) {
    for (const [, name, value] of text.matchAll(/^(\w+):(\d+)\r$/gm)) {
      if (ADD_UP.has(name)) totals.set(name, (totals.get(name) ?? 0) + Number(value))
    }
    const db = /^db0:keys=(\d+),expires=(\d+),avg_ttl=(\d+)/m.exec(text)
    if (db === null) continue
    keys += Number(db[1])
    expires += Number(db[2])
    ttl += Number(db[3]) * Number(db[2])
  }
  const merged = texts[0].replace(/^(\w+):(\d+)\r$/gm, (line, name: string) =>
    totals.has(name) ? `${name}:${totals.get(name)}\r` : line,
  )
  const average = expires === 0 ? 0 : Math.round(ttl / expires)
  const keyspace = keys === 0 ? '' : `db0:keys=${keys},expires=${expires},avg_ttl=${average}\r\n`
  return merged.replace(/^# Keyspace\r\n(db0:.*\r\n)?/m, `# Keyspace\r\n${keyspace}`)
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
    `tq_auth_failures:${totals.authFailures}`,
    `tq_commands_known:${environment.specs.size}`,
  ]
  return `${lines.join('\r\n')}\r\n`
}

export const infoCommands: LocalCommands = new Map([['info', { arity: -1, handle: info }]])
