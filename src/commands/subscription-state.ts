// What commands may know and change of subscriptions: those of one client, and those of the proxy.

import type { TopicKind } from '../resp/pubsub.ts'
import type { Plan } from './plan.ts'
import type { SessionState } from './session-state.ts'

/** The subscriptions of one client. It has none of these objects while it has no subscription. */
export interface ClientSubscriptions {
  /** Whether a SUBSCRIBE has been taken whose confirmation has not been written. */
  readonly opening: boolean
  /** How many of one kind. */
  size(kind: TopicKind): number
  /** The confirmation has been written: messages may follow. */
  activate(): void
  /** Ends all of them without a word to the client. */
  leaveAll(): void
}

/** All clients' subscriptions. Names have one character a byte. */
export interface PubSub {
  /** Subscribes; the plan's answer is the confirmations. `slot` is that of shard channels. */
  subscribe(kind: TopicKind, names: readonly string[], slot: number, session: SessionState): Plan
  /** Unsubscribes; null: from everything of this kind. */
  unsubscribe(kind: TopicKind, names: readonly string[] | null, session: SessionState): Plan
  /** How many of the proxy's clients get the messages of a channel. */
  count(kind: TopicKind, name: string): number
  /** Whether some node counts the proxy itself among a channel's subscribers. */
  heldUpstream(kind: TopicKind, name: string): boolean
}
