// Our own conversations with a node, apart from the clients' commands: how they log in, and one that is soon over.

import { Redis, type RedisOptions } from 'ioredis'
import { splitAddress } from './node.ts'
import type { UpstreamTls } from './secure.ts'

/** What opens the door of every node. */
export interface NodeAccess {
  username: string | undefined
  password: string | undefined
  connectTimeoutMs: number
  /** Null: plain TCP. */
  tls: UpstreamTls | null
}

/** The options of ioredis for such an access. */
export function accessOptions({
  username,
  password,
  connectTimeoutMs,
  tls,
}: NodeAccess): Pick<RedisOptions, 'username' | 'password' | 'tls' | 'connectTimeout'> {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === null ? {} : { tls: tls.options }),
    connectTimeout: connectTimeoutMs,
  }
}

/**
 * Connects to the node at `address` (`host:port`), uses the connection and ends it. Nothing is tried twice.
 * @throws what the node or the network said
 */
export async function withControlConnection<T>(
  address: string,
  access: NodeAccess,
  use: (redis: Redis) => Promise<T>,
): Promise<T> {
  const redis = new Redis({
    ...splitAddress(address),
    ...accessOptions(access),
    lazyConnect: true,
    commandTimeout: access.connectTimeoutMs,
    retryStrategy: null,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
  })
  let reason: Error | null = null
  redis.on('error', (error: Error) => {
    reason = error
  })
  try {
    await redis.connect()
    return await use(redis)
  } catch (error) {
    // What ioredis rejects with is often only that the connection is closed; why, it has said before.
    throw reason ?? error
  } finally {
    redis.disconnect()
  }
}
