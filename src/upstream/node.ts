// One Redis node and our links to it.

import type { Protocol } from '../resp/encode.ts'
import type { Call } from './call.ts'
import { Link, type LinkOptions } from './link.ts'

/** What all links of this proxy have in common. */
export type LinkDefaults = Pick<
  LinkOptions,
  'tls' | 'username' | 'password' | 'connectTimeoutMs' | 'scriptBodies'
> & {
  /** A link that owes replies and stays silent this long is given up. */
  timeoutMs: number
}

/** A node, with one link for each protocol version that clients speak, made when first needed. */
export class UpstreamNode {
  /** `host:port`, as in redirections and in the topology. */
  readonly address: string
  private readonly host: string
  private readonly port: number
  private readonly defaults: LinkDefaults
  private readonly onUp: (node: UpstreamNode, protocol: Protocol) => void
  private readonly onDown: (node: UpstreamNode, protocol: Protocol, reason: string) => void
  private link2: Link | null = null
  private link3: Link | null = null
  private readonly separate = new Set<Link>()

  constructor(
    host: string,
    port: number,
    defaults: LinkDefaults,
    onUp: (node: UpstreamNode, protocol: Protocol) => void,
    onDown: (node: UpstreamNode, protocol: Protocol, reason: string) => void,
  ) {
    this.host = host
    this.port = port
    this.address = `${host}:${port}`
    this.defaults = defaults
    this.onUp = onUp
    this.onDown = onDown
  }

  /** The shared link of a protocol version. */
  link(protocol: Protocol): Link {
    if (protocol === 3) {
      this.link3 ??= this.open(3)
      return this.link3
    }
    this.link2 ??= this.open(2)
    return this.link2
  }

  /** Sends one large command over a connection of its own, so that nobody's small one waits behind it. */
  sendAlone(call: Call): void {
    const link = new Link({
      ...this.defaults,
      // Large commands are the clients' own; they need no script of ours.
      scriptBodies: [],
      host: this.host,
      port: this.port,
      protocol: call.protocol,
      once: false,
      onUp: () => {},
      onDown: () => this.separate.delete(link),
    })
    this.separate.add(link)
    call.ownLink = link
    link.sendAlone(call)
  }

  /** A connection for one client, which ends when it is closed or lost. */
  pin(protocol: Protocol): Link {
    const link: Link = new Link({
      ...this.defaults,
      scriptBodies: [],
      host: this.host,
      port: this.port,
      protocol,
      once: true,
      onUp: () => {},
      onDown: () => this.separate.delete(link),
    })
    this.separate.add(link)
    return link
  }

  /**
   * Looks whether a link has stalled: silent for `silenceMs`. `now` is performance.now(). A command that blocks
   * may stay silent, unless `evenBlocked` says that the node is no longer to be trusted.
   */
  checkStall(now: number, silenceMs = this.defaults.timeoutMs, evenBlocked = false): void {
    this.link2?.checkStall(now, silenceMs)
    this.link3?.checkStall(now, silenceMs)
    for (const link of this.separate) if (evenBlocked || !link.patient) link.checkStall(now, silenceMs)
  }

  /** Commands that are out or wait for the connection. */
  get depth(): number {
    let total = (this.link2?.depth ?? 0) + (this.link3?.depth ?? 0)
    for (const link of this.separate) total += link.depth
    return total
  }

  close(reason: string): void {
    this.link2?.close(reason)
    this.link3?.close(reason)
    this.link2 = this.link3 = null
    for (const link of this.separate) link.close(reason)
  }

  private open(protocol: Protocol): Link {
    return new Link({
      ...this.defaults,
      host: this.host,
      port: this.port,
      protocol,
      once: false,
      onUp: () => this.onUp(this, protocol),
      onDown: (reason) => this.onDown(this, protocol, reason),
    })
  }
}

/** Splits `host:port`; the port stands behind the last colon, so IPv6 addresses need no brackets. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(colon + 1)) }
}
