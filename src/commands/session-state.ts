// What the commands know of the client that sends them.

import type { Protocol } from '../resp/encode.ts'
import type { Message } from '../resp/pubsub.ts'
import type { Access } from './access.ts'
import type { ClientSubscriptions } from './subscription-state.ts'

/** One client connection, as far as commands read and change it. */
export interface SessionState {
  /** Unique in this proxy, growing. */
  readonly id: number
  /** The client's `host:port`, and ours that it came to. */
  readonly address: string
  readonly localAddress: string
  /** Unix time in ms of the connection, and of its last command. */
  readonly createdAt: number
  lastActiveAt: number
  protocol: Protocol
  authenticated: boolean
  /** Who it is, and what it may do; null: everything. */
  user: string
  access: Access | null
  name: string
  libName: string
  libVersion: string
  /** The last command's name, lower case, for CLIENT LIST. */
  lastCommand: string
  /** What the client is subscribed to; null: nothing. */
  subscriptions: ClientSubscriptions | null
  /** Commands without a reply yet, and bytes the client has not taken yet. */
  readonly pendingReplies: number
  readonly unsentBytes: number
  /** Writes a message, never inside a reply. */
  push(message: Message): void
  /** Ends the connection at once; the reason is logged. */
  destroy(reason: string): void
}
