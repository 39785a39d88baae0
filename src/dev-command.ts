// The dev command: an embedded cluster with the proxy before it, all gone when the command ends.

import { type Config, ConfigError } from './config.ts'
import { startRedisCluster } from './dev/redis-cluster.ts'
import { openLog } from './observe/log.ts'
import { StartError, startProxy } from './proxy.ts'

/** The dev command's own options, as the command line gave them. */
export interface DevOptions {
  masters: unknown
  replicas: unknown
  redisServer: unknown
}

const MAX_NODES = 30
const PARENT_CHECK_MS = 500

function count(name: string, given: unknown, min: number, max: number): number {
  const value = Number(given)
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new ConfigError([
    `--${name}: ${JSON.stringify(given)} is not allowed, it takes a whole number from ${min} to ${max}`,
  ])
}

/**
 * Runs until a signal, or until the process that started us is gone.
 * @param config of the proxy; its upstream is replaced by the embedded cluster
 * @param onStop takes what is to be done on a signal
 * @throws ConfigError, StartError
 */
export async function runDev(
  config: Config,
  options: DevOptions,
  onStop: (stop: () => Promise<void>) => void,
): Promise<void> {
  const masters = count('masters', options.masters, 1, MAX_NODES)
  const replicas = count('replicas', options.replicas, 0, 5)
  const log = openLog(config.logLevel, config.logFormat)
  const parent = process.ppid
  const cluster = await startRedisCluster({
    masters,
    replicas,
    redisServer: String(options.redisServer),
    onProgress: (line) => log.info({}, line),
  }).catch((error: Error) => {
    throw new StartError(error.message)
  })
  try {
    const proxy = await startProxy({ ...config, upstream: [...cluster.addresses] }, log)
    const stop = async (): Promise<void> => {
      log.info({}, 'stopping')
      await proxy.stop()
      await cluster.stop()
    }
    onStop(stop)
    // Nobody may be left to stop us once the shell or script that started us was killed.
    setInterval(() => {
      if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM')
    }, PARENT_CHECK_MS).unref()
    await proxy.whenReady()
    process.stdout.write(
      `tq-proxy is ready on ${proxy.host}:${proxy.port}, before ${cluster.nodes.length} Redis nodes: ${cluster.addresses.join(' ')}\n`,
    )
  } catch (error) {
    await cluster.stop()
    throw error
  }
}
