// Keeps the proxy's subscriptions at the nodes, each once however many clients want it, and moves them when nodes do.

import type { Logger } from '../observe/log.ts'
import { SHARD, type TopicKind } from '../resp/pubsub.ts'
import { parseRedirection } from '../routing/redirection.ts'
import { splitAddress } from './node.ts'
import type { UpstreamTls } from './secure.ts'
import { SubscriberLink } from './subscriber-link.ts'

export interface SubscriberOptions {
  tls: UpstreamTls | null
  username: string | undefined
  password: string | undefined
  connectTimeoutMs: number
  /** A node that owes an answer and stays silent this long is given up. */
  timeoutMs: number
  /** How long a new subscription may wait for its confirmation. */
  deadlineMs: number
  /** Addresses of the masters that serve slots. */
  masters: () => readonly string[]
  /** Address of the master that serves a slot; null where none is known. */
  owner: (slot: number) => string | null
  refreshTopology: () => void
  /** A message, as the whole push frame. `name` is the channel's, or the pattern's, one character a byte. */
  onMessage: (kind: TopicKind, name: string, frame: Buffer) => void
  log: Logger
}

interface Waiter {
  resolve: () => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

/** A channel, pattern or shard channel that some client wants. */
interface Topic {
  readonly kind: TopicKind
  readonly name: string
  readonly slot: number
  place: Place | null
  confirmed: boolean
  waiters: Waiter[]
  /** MOVED replies since the last confirmation, and where the last one pointed. */
  hops: number
  movedTo: string | null
  /** Not to be asked for again before this moment, as performance.now(). */
  notBefore: number
}

/** A node that we have a connection to. */
interface Place {
  readonly address: string
  readonly link: SubscriberLink<Topic>
  readonly topics: Set<Topic>
}

const RETRY_MS = 25
const REFUSED_PAUSE_MS = 1000
const BACKOFF_FIRST_MS = 20
const BACKOFF_MAX_MS = 1000
const FREE_HOPS = 5
const TRY_LATER = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|LOADING|MASTERDOWN) /

/**
 * All subscriptions of one proxy. Channels and patterns are at one master, whichever, because a cluster broadcasts
 * what is published; shard channels are at the owners of their slots. A connection lasts as long as it has any.
 */
export class Subscriber {
  private readonly options: SubscriberOptions
  private readonly topics = new Map<string, Topic>()
  private readonly places = new Map<string, Place>()
  /** Where channels and patterns are. */
  private main: string | null = null
  /** Topics that wait for a place. */
  private readonly homeless = new Set<Topic>()
  /** Nodes that could not be reached of late. */
  private readonly failures = new Map<string, { count: number; retryAt: number }>()
  private timer: NodeJS.Timeout | null = null
  private closed = false

  constructor(options: SubscriberOptions) {
    this.options = options
  }

  /**
   * Subscribes where nobody has yet.
   * @param name one character a byte
   * @param slot the shard channel's; not looked at for other kinds
   * @returns resolves when the node has confirmed; rejects with the text of an error reply
   */
  subscribe(kind: TopicKind, name: string, slot: number): Promise<void> {
    const key = `${kind}${name}`
    let topic = this.topics.get(key)
    if (topic === undefined) {
      topic = {
        kind,
        name,
        slot,
        place: null,
        confirmed: false,
        waiters: [],
        hops: 0,
        movedTo: null,
        notBefore: 0,
      }
      this.topics.set(key, topic)
      this.settle(topic)
    }
    const { waiters, confirmed } = topic
    if (confirmed) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiters.splice(waiters.indexOf(waiter), 1)
        reject(new Error('CLUSTERDOWN The node for this subscription cannot be reached'))
      }, this.options.deadlineMs)
      const waiter = { resolve, reject, timer }
      waiters.push(waiter)
    })
  }

  /** Ends a subscription that nobody wants any more. */
  unsubscribe(kind: TopicKind, name: string): void {
    const key = `${kind}${name}`
    const topic = this.topics.get(key)
    if (topic === undefined) return
    this.topics.delete(key)
    this.homeless.delete(topic)
    this.reject(topic, 'ERR unsubscribed')
    this.detach(topic, true)
  }

  /** Whether a node counts us among the subscribers. */
  holds(kind: TopicKind, name: string): boolean {
    return this.topics.get(`${kind}${name}`)?.confirmed === true
  }

  /** Looks whether all subscriptions are still where they belong. */
  topologyChanged(): void {
    const masters = this.options.masters()
    for (const address of this.failures.keys()) if (!masters.includes(address)) this.failures.delete(address)
    // A node that is no master any more may have left the cluster and hear nothing.
    if (this.main !== null && !masters.includes(this.main)) this.main = null
    for (const topic of this.topics.values()) {
      if (topic.place === null) continue
      const address = topic.kind === SHARD ? this.options.owner(topic.slot) : this.main
      if (address === topic.place.address) continue
      this.detach(topic, true)
      this.homeless.add(topic)
    }
    this.settleAll()
  }

  /** Ends all connections. */
  close(): void {
    this.closed = true
    if (this.timer !== null) clearTimeout(this.timer)
    for (const topic of this.topics.values()) this.reject(topic, 'ERR the proxy stops')
    for (const { link } of this.places.values()) link.close()
    this.places.clear()
    this.topics.clear()
    this.homeless.clear()
  }

  /** Finds a place for a topic, or has it wait for one. */
  private settle(topic: Topic): void {
    const place = performance.now() < topic.notBefore ? null : this.placeFor(topic)
    if (place === null) {
      this.homeless.add(topic)
      this.retryLater()
      return
    }
    this.homeless.delete(topic)
    topic.place = place
    place.topics.add(topic)
    place.link.subscribe(topic)
  }

  private settleAll(): void {
    for (const topic of [...this.homeless]) this.settle(topic)
  }

  private retryLater(): void {
    if (this.closed) return
    this.timer ??= setTimeout(() => {
      this.timer = null
      this.settleAll()
    }, RETRY_MS)
  }

  private placeFor(topic: Topic): Place | null {
    let address: string | null
    if (topic.kind === SHARD) {
      address = topic.movedTo ?? this.options.owner(topic.slot)
      topic.movedTo = null
    } else {
      this.main ??= this.chooseMain()
      address = this.main
    }
    if (address === null) return null
    const place = this.places.get(address)
    if (place !== undefined) return place
    if (performance.now() < (this.failures.get(address)?.retryAt ?? 0)) return null
    return this.open(address)
  }

  /** Any master, so that proxies spread; one that has just failed only where there is no other. */
  private chooseMain(): string | null {
    const masters = this.options.masters()
    const well = masters.filter((address) => !this.failures.has(address))
    const choice = well.length > 0 ? well : masters
    return choice.length === 0 ? null : choice[Math.floor(Math.random() * choice.length)]
  }

  private open(address: string): Place {
    const { host, port } = splitAddress(address)
    const { tls, username, password, connectTimeoutMs, timeoutMs, log } = this.options
    const link = new SubscriberLink<Topic>({
      host,
      port,
      tls,
      username,
      password,
      connectTimeoutMs,
      timeoutMs,
      onUp: () => log.info({ node: address }, 'subscriber link up'),
      onDown: (reason) => this.lost(place, reason),
      onConfirmed: (topic) => this.confirmed(place, topic),
      onRefused: (topic, error) => this.refused(place, topic, error),
      onTaken: (name) => this.taken(place, name),
      onMessage: this.options.onMessage,
    })
    const place: Place = { address, link, topics: new Set() }
    this.places.set(address, place)
    return place
  }

  private confirmed(place: Place, topic: Topic): void {
    if (topic.place !== place) return
    this.failures.delete(place.address)
    topic.confirmed = true
    topic.hops = 0
    for (const { resolve, timer } of topic.waiters.splice(0)) {
      clearTimeout(timer)
      resolve()
    }
  }

  private refused(place: Place, topic: Topic, error: string): void {
    if (topic.place !== place) return
    const moved = parseRedirection(error)
    if (moved !== null && topic.hops++ < FREE_HOPS) {
      const host = moved.host === '' ? splitAddress(place.address).host : moved.host
      topic.movedTo = `${host}:${moved.port}`
    } else {
      topic.notBefore = performance.now() + (TRY_LATER.test(error) ? RETRY_MS : REFUSED_PAUSE_MS)
    }
    if (TRY_LATER.test(error)) this.options.refreshTopology()
    else {
      this.options.log.warn({ node: place.address, reason: error }, 'subscription refused')
      this.reject(topic, error)
    }
    this.detach(topic, false)
    // What it was rejected for may have taken it away.
    if (this.topics.get(`${topic.kind}${topic.name}`) === topic) this.settle(topic)
  }

  /** The node ended a subscription: it does not serve the slot any more. */
  private taken(place: Place, name: string): void {
    const topic = this.topics.get(`${SHARD}${name}`)
    if (topic === undefined || topic.place !== place) return
    this.options.refreshTopology()
    this.detach(topic, false)
    this.settle(topic)
  }

  private lost(place: Place, reason: string): void {
    const { address } = place
    this.options.log.warn({ node: address, reason, subscriptions: place.topics.size }, 'subscriber link down')
    this.places.delete(address)
    if (this.main === address) this.main = null
    const count = (this.failures.get(address)?.count ?? 0) + 1
    const backoff = Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(count - 1, 10), BACKOFF_MAX_MS)
    this.failures.set(address, { count, retryAt: performance.now() + backoff * (0.5 + Math.random() / 2) })
    for (const topic of place.topics) {
      topic.place = null
      topic.confirmed = false
      this.homeless.add(topic)
    }
    this.options.refreshTopology()
    this.retryLater()
  }

  /** Takes a topic from its place; `tell`: the node still believes that we are subscribed. */
  private detach(topic: Topic, tell: boolean): void {
    const { place } = topic
    topic.place = null
    topic.confirmed = false
    if (place === null) return
    place.topics.delete(topic)
    if (place.topics.size > 0) {
      if (tell) place.link.unsubscribe(topic)
      return
    }
    place.link.close()
    this.places.delete(place.address)
    if (this.main === place.address) this.main = null
    this.options.log.info({ node: place.address }, 'subscriber link closed, nobody is subscribed')
  }

  private reject(topic: Topic, error: string): void {
    for (const { reject, timer } of topic.waiters.splice(0)) {
      clearTimeout(timer)
      reject(new Error(error))
    }
  }
}
