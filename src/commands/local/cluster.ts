// CLUSTER: the proxy presents itself as the one node that owns all slots, for clients in cluster mode.

import { createHash } from 'node:crypto'
import { type Reply, Verbatim } from '../../resp/encode.ts'
import { keySlot, SLOT_COUNT } from '../../routing/slots.ts'
import { readInteger } from '../integers.ts'
import { answer, type Plan, refuse, relay } from '../plan.ts'
import type { SessionState } from '../session-state.ts'
import type { LocalCommands, LocalHandler } from './environment.ts'

const LAST_SLOT = SLOT_COUNT - 1
const INVALID_SLOT = 'ERR Invalid or out of range slot'

/** Where this client reached us: what it must be told to come back to. */
function here(session: SessionState): { host: string; port: number; id: string } {
  const colon = session.localAddress.lastIndexOf(':')
  const host = session.localAddress.slice(0, colon).replace(/^::ffff:/, '')
  return {
    host,
    port: Number(session.localAddress.slice(colon + 1)),
    // The same after a restart and for all clients of one address; node ids are 40 hexadecimal digits.
    id: createHash('sha1').update(session.localAddress).digest('hex'),
  }
}

const slots: LocalHandler = (_request, session) => {
  const { host, port, id } = here(session)
  return answer([[0, LAST_SLOT, [host, port, id, []]]], session)
}

const shards: LocalHandler = (_request, session) => {
  const { host, port, id } = here(session)
  const node = new Map<string, Reply>([
    ['id', id],
    ['port', port],
    ['ip', host],
    ['endpoint', host],
    ['role', 'master'],
    ['replication-offset', 0],
    ['health', 'online'],
  ])
  const shard = new Map<string, Reply>([
    ['slots', [0, LAST_SLOT]],
    ['nodes', [node]],
  ])
  return answer([shard], session)
}

const nodes: LocalHandler = (_request, session) => {
  const { host, port, id } = here(session)
  const line = `${id} ${host}:${port}@${port} myself,master - 0 0 1 connected 0-${LAST_SLOT}\n`
  return answer(new Verbatim(line), session)
}

const info: LocalHandler = (_request, session, environment) => {
  const lines = [
    `cluster_state:${environment.ready ? 'ok' : 'fail'}`,
    `cluster_slots_assigned:${SLOT_COUNT}`,
    `cluster_slots_ok:${environment.ready ? SLOT_COUNT : 0}`,
    'cluster_slots_pfail:0',
    `cluster_slots_fail:${environment.ready ? 0 : SLOT_COUNT}`,
    'cluster_known_nodes:1',
    'cluster_size:1',
    'cluster_current_epoch:1',
    'cluster_my_epoch:1',
  ]
  return answer(new Verbatim(`${lines.join('\r\n')}\r\n`), session)
}

/** COUNTKEYSINSLOT and GETKEYSINSLOT: the owner of the slot knows. */
const bySlot: LocalHandler = (request): Plan => {
  const slot = readInteger(request.text(2))
  if (slot === null || slot < 0 || slot > LAST_SLOT) return refuse(INVALID_SLOT)
  return relay(slot, false)
}

export const clusterCommands: LocalCommands = new Map([
  ['cluster|slots', { arity: 2, handle: slots }],
  ['cluster|shards', { arity: 2, handle: shards }],
  ['cluster|nodes', { arity: 2, handle: nodes }],
  ['cluster|info', { arity: 2, handle: info }],
  ['cluster|myid', { arity: 2, handle: (_request, session) => answer(here(session).id, session) }],
  ['cluster|myshardid', { arity: 2, handle: (_request, session) => answer(here(session).id, session) }],
  ['cluster|links', { arity: 2, handle: (_request, session) => answer([], session) }],
  ['cluster|keyslot', { arity: 3, handle: (request, session) => answer(keySlot(request.arg(2)), session) }],
  ['cluster|countkeysinslot', { arity: 3, handle: bySlot }],
  ['cluster|getkeysinslot', { arity: 4, handle: bySlot }],
])
