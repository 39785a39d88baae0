// The check command: looks at every master before anybody depends on it.

import type { Redis } from 'ioredis'
import type { Config } from './config.ts'
import { type NodeAccess, withControlConnection } from './upstream/control-connection.ts'
import { splitAddress } from './upstream/node.ts'
import { loadScripts } from './upstream/scripts.ts'

/** One line of the report. */
export interface Finding {
  ok: boolean
  text: string
}

/** What a master tells of itself. */
interface MasterReport {
  version: string
  role: string
  policy: string
  appendOnly: boolean
  scriptFailure: string | null
}

/** Reaches every master and says what it found; all findings are good where a proxy may serve. */
export async function checkUpstream(config: Config): Promise<Finding[]> {
  const findings: Finding[] = [{ ok: true, text: `configuration: upstream ${config.upstream.join(', ')}` }]
  const access = await openAccess(config, findings)
  if (access === null) return findings
  const masters = await findMasters(config.upstream, access, findings)
  if (masters === null) return findings
  for (const address of masters) {
    try {
      findings.push(...judge(address, await withControlConnection(address, access, examine)))
    } catch (error) {
      findings.push({ ok: false, text: `${address}: cannot be examined: ${(error as Error).message}` })
    }
  }
  return findings
}

/** How the nodes are reached; null where the files of TLS are of no use. */
async function openAccess(config: Config, findings: Finding[]): Promise<NodeAccess | null> {
  const { upstreamUsername: username, upstreamPassword: password, connectTimeoutMs } = config
  try {
    const tls = config.upstreamTls ? (await import('./tls.ts')).openUpstreamTls(config) : null
    return { username, password, connectTimeoutMs, tls }
  } catch (error) {
    findings.push({ ok: false, text: (error as Error).message })
    return null
  }
}

/** Addresses of all masters; null where no node could be asked. */
async function findMasters(
  seeds: readonly string[],
  access: NodeAccess,
  findings: Finding[],
): Promise<string[] | null> {
  for (const seed of seeds) {
    try {
      return await withControlConnection(seed, access, async (redis) => {
        if (!/cluster_enabled:1/.test(await redis.info('cluster'))) {
          findings.push({ ok: true, text: `${seed}: one standalone Redis` })
          return [seed]
        }
        const state = /cluster_state:(\w+)/.exec(String(await redis.cluster('INFO')))?.[1] ?? 'unknown'
        const slots = await redis.cluster('SLOTS')
        const served = slots.reduce((total, [from, to]) => total + to - from + 1, 0)
        const masters = [
          ...new Set(
            slots
              .map(([, , master]) => master)
              .map(([host, port]) => `${host || splitAddress(seed).host}:${port}`),
          ),
        ]
        findings.push({
          ok: state === 'ok' && served === 16384,
          text: `${seed}: a cluster, state ${state}, ${served} of 16384 slots served by ${masters.length} masters`,
        })
        return masters
      })
    } catch (error) {
      findings.push({ ok: false, text: `${seed}: cannot be reached: ${(error as Error).message}` })
    }
  }
  return null
}

async function examine(redis: Redis): Promise<MasterReport> {
  const info = await redis.info()
  const field = (name: string): string => new RegExp(`^${name}:(\\S*)`, 'm').exec(info)?.[1] ?? ''
  let scriptFailure: string | null = null
  for (const script of loadScripts().values()) {
    try {
      await redis.script('LOAD', script.body)
    } catch (error) {
      scriptFailure ??= `${script.name}: ${(error as Error).message}`
    }
  }
  return {
    version: field('redis_version'),
    role: field('role'),
    policy: field('maxmemory_policy'),
    appendOnly: field('aof_enabled') === '1',
    scriptFailure,
  }
}

function judge(address: string, report: MasterReport): Finding[] {
  const { version, role, policy, scriptFailure } = report
  // Eviction takes whole keys, and a key of ours is an event's whole line.
  const evicts = policy !== 'noeviction'
  const onlyVolatile = policy.startsWith('volatile-')
  return [
    {
      ok: role === 'master' && Number.parseInt(version, 10) >= 7,
      text: `${address}: Redis ${version}, role ${role}${Number.parseInt(version, 10) < 7 ? ' (7.0 or later is needed)' : ''}`,
    },
    {
      ok: !evicts || onlyVolatile,
      text: `${address}: maxmemory-policy ${policy}${evicts ? (onlyVolatile ? ' (closed events may be evicted early; noeviction is safer)' : ' would lose queue entries: set noeviction') : ''}`,
    },
    {
      ok: true,
      text: `${address}: append-only file ${report.appendOnly ? 'on' : 'off (a master that restarts empty empties its replicas as well)'}`,
    },
    {
      ok: scriptFailure === null,
      text: `${address}: scripts ${scriptFailure === null ? 'load' : `do not load: ${scriptFailure}`}`,
    },
  ]
}
