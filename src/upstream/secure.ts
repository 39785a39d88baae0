// How connections to nodes are made over TLS, for the parts that make them.

import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'

/** TLS towards the upstream; handed in, so that none of it is loaded where it is off. */
export interface UpstreamTls {
  /** Begins a connection; it can be used from `secureConnect` on. */
  connect(host: string, port: number): Socket
  /** The same for ioredis. Its fields are read at each connection, so that renewed certificates count. */
  readonly options: ConnectionOptions
}
