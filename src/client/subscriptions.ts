// Which client wants which channel: the proxy subscribes for the first, and unsubscribes behind the last.

import { answerBytes, type Plan, planLater, refuse } from '../commands/plan.ts'
import type { SessionState } from '../commands/session-state.ts'
import type { ClientSubscriptions, PubSub } from '../commands/subscription-state.ts'
import {
  CHANNEL,
  confirmation,
  Message,
  PATTERN,
  SHARD,
  SUBSCRIBE_WORDS,
  type TopicKind,
  UNSUBSCRIBE_WORDS,
} from '../resp/pubsub.ts'

/** Who subscribes at the nodes. */
export interface UpstreamSubscriber {
  /** Resolves when confirmed, at once where it is already; rejects with the text of an error reply. */
  subscribe(kind: TopicKind, name: string, slot: number): Promise<void>
  unsubscribe(kind: TopicKind, name: string): void
  holds(kind: TopicKind, name: string): boolean
}

/** One client's part in one channel. */
interface Member {
  /** Whether its confirmation has been written; before that no message is. */
  active: boolean
}

const KINDS = [CHANNEL, PATTERN, SHARD] as const

/** The subscriptions of all clients. One per proxy. */
export class Subscriptions implements PubSub {
  private readonly upstream: UpstreamSubscriber
  /** By kind, then by name. */
  private readonly topics = KINDS.map(() => new Map<string, Map<SessionState, Member>>())

  constructor(upstream: UpstreamSubscriber) {
    this.upstream = upstream
  }

  subscribe(kind: TopicKind, names: readonly string[], slot: number, session: SessionState): Plan {
    const own = (session.subscriptions as Own | null) ?? new Own(this, session)
    session.subscriptions = own
    const frames: Buffer[] = []
    const added: string[] = []
    const confirmed: Promise<void>[] = []
    for (const name of names) {
      if (own.add(kind, name)) {
        added.push(name)
        confirmed.push(this.upstream.subscribe(kind, name, slot))
      }
      frames.push(confirmation(session.protocol, SUBSCRIBE_WORDS[kind], name, own.shownCount(kind)))
    }
    const answer = answerBytes(Buffer.concat(frames))
    if (added.length === 0) return answer
    const failed = (error: Error): Plan => {
      for (const name of added) own.remove(kind, name)
      return refuse(error.message)
    }
    return planLater(
      -1,
      false,
      Promise.all(confirmed).then(() => answer, failed),
    )
  }

  unsubscribe(kind: TopicKind, names: readonly string[] | null, session: SessionState): Plan {
    const own = session.subscriptions as Own | null
    const leaving: readonly (string | null)[] = names ?? own?.names(kind) ?? []
    const frames = (leaving.length > 0 ? leaving : [null]).map((name) => {
      if (name !== null) own?.remove(kind, name)
      return confirmation(session.protocol, UNSUBSCRIBE_WORDS[kind], name, own?.shownCount(kind) ?? 0)
    })
    return answerBytes(Buffer.concat(frames))
  }

  count(kind: TopicKind, name: string): number {
    let count = 0
    for (const member of this.topics[kind].get(name)?.values() ?? []) if (member.active) count++
    return count
  }

  heldUpstream(kind: TopicKind, name: string): boolean {
    return this.upstream.holds(kind, name)
  }

  /** Gives a message to all who subscribed to `name`. */
  deliver(kind: TopicKind, name: string, frame: Buffer): void {
    const members = this.topics[kind].get(name)
    if (members === undefined) return
    const message = new Message(frame)
    for (const [session, member] of members) if (member.active) session.push(message)
  }

  /** @internal */
  join(kind: TopicKind, name: string, session: SessionState, member: Member): void {
    const members = this.topics[kind].get(name)
    if (members === undefined) this.topics[kind].set(name, new Map([[session, member]]))
    else members.set(session, member)
  }

  /** @internal */
  leave(kind: TopicKind, name: string, session: SessionState): void {
    const members = this.topics[kind].get(name)
    members?.delete(session)
    if (members?.size !== 0) return
    this.topics[kind].delete(name)
    this.upstream.unsubscribe(kind, name)
  }
}

/** What one client is subscribed to. */
class Own implements ClientSubscriptions {
  private readonly all: Subscriptions
  private readonly session: SessionState
  private readonly held = KINDS.map(() => new Map<string, Member>())
  private fresh: Member[] = []

  constructor(all: Subscriptions, session: SessionState) {
    this.all = all
    this.session = session
  }

  get opening(): boolean {
    return this.fresh.length > 0
  }

  size(kind: TopicKind): number {
    return this.held[kind].size
  }

  /** The count that confirmations name: channels and patterns together, shard channels alone. */
  shownCount(kind: TopicKind): number {
    return kind === SHARD ? this.size(SHARD) : this.size(CHANNEL) + this.size(PATTERN)
  }

  names(kind: TopicKind): string[] {
    return [...this.held[kind].keys()]
  }

  /** False where it was there already. */
  add(kind: TopicKind, name: string): boolean {
    if (this.held[kind].has(name)) return false
    const member = { active: false }
    this.held[kind].set(name, member)
    this.fresh.push(member)
    this.all.join(kind, name, this.session, member)
    return true
  }

  remove(kind: TopicKind, name: string): void {
    if (!this.held[kind].delete(name)) return
    this.all.leave(kind, name, this.session)
    if (this.held.every((names) => names.size === 0)) this.session.subscriptions = null
  }

  activate(): void {
    for (const member of this.fresh) member.active = true
    this.fresh = []
  }

  leaveAll(): void {
    for (const kind of KINDS) for (const name of this.names(kind)) this.remove(kind, name)
  }
}
