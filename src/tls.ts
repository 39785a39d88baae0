// TLS on both sides: certificates are read from files, again when these change, and broken ones never replace good ones.

import { X509Certificate } from 'node:crypto'
import { readFileSync, realpathSync, statSync } from 'node:fs'
import type { Server, Socket } from 'node:net'
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  createServer,
  type SecureContextOptions,
  type TLSSocket,
} from 'node:tls'
import type { Config } from './config.ts'
import type { Logger } from './observe/log.ts'
import type { UpstreamTls } from './upstream/secure.ts'

/** Files of TLS that cannot be used; the message is for a person. */
export class TlsFileError extends Error {}

/** Polled, not watched: Kubernetes changes a mounted secret by swapping a link to its folder. */
const POLL_MS = 2000
/** How long a client may take for its handshake; without an end, it would hold a connection for nothing. */
const HANDSHAKE_TIMEOUT_MS = 10_000
/** Connections beyond maxClients that may be in the middle of theirs. */
const MAX_HANDSHAKES = 256

/** Where the certificate, its key and the authorities of the other side lie. */
interface Files {
  cert: string | undefined
  key: string | undefined
  ca: string | undefined
}

/** Reads the files and makes sure that they fit together. */
function readMaterial({ cert, key, ca }: Files): SecureContextOptions {
  const material: SecureContextOptions = {
    ...(cert === undefined ? {} : { cert: read(cert) }),
    ...(key === undefined ? {} : { key: read(key) }),
    ...(ca === undefined ? {} : { ca: read(ca) }),
  }
  for (const [file, bytes] of [
    [cert, material.cert],
    [ca, material.ca],
  ] as const) {
    if (file === undefined) continue
    try {
      // Only the first one is looked at; a file of authorities without any would be taken for "nobody".
      new X509Certificate(bytes as Buffer)
    } catch {
      throw new TlsFileError(`${file} holds no certificate in the form PEM`)
    }
  }
  try {
    createSecureContext(material)
  } catch (error) {
    throw new TlsFileError(
      `the certificate in ${cert} and the key in ${key} cannot be used: ${firstLine(error as Error)}`,
    )
  }
  return material
}

function read(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new TlsFileError(`${file} cannot be read: ${firstLine(error as Error)}`)
  }
}

function firstLine(error: Error): string {
  return error.message.split('\n')[0]
}

/** Which files these are now, and of when. What cannot be looked at counts as a state of its own. */
function fingerprint(files: Files): string {
  return [files.cert, files.key, files.ca]
    .map((file) => {
      if (file === undefined) return ''
      try {
        const { mtimeNs, ino, size } = statSync(file, { bigint: true })
        return `${realpathSync(file)} ${mtimeNs} ${ino} ${size}`
      } catch {
        return 'gone'
      }
    })
    .join('\n')
}

/** Files that are read again. */
interface Watched {
  /** Reads them now, changed or not. */
  reload(): void
  stop(): void
}

/** Hands over what the files hold each time they have changed; says so, or why nothing changes. */
function watch(
  files: Files,
  what: string,
  log: Logger,
  apply: (material: SecureContextOptions) => void,
): Watched {
  let seen = fingerprint(files)
  const reload = (): void => {
    seen = fingerprint(files)
    try {
      const material = readMaterial(files)
      apply(material)
      log.info({ expires: expiryOf(material) }, `${what}: read again`)
    } catch (error) {
      log.error(
        { reason: (error as Error).message },
        `${what}: the new files are of no use, the old ones stay`,
      )
    }
  }
  const timer = setInterval(() => {
    if (fingerprint(files) !== seen) reload()
  }, POLL_MS)
  timer.unref()
  return { reload, stop: () => clearInterval(timer) }
}

/** The day that our certificate ends; undefined where there is none. */
function expiryOf({ cert }: SecureContextOptions): string | undefined {
  return cert === undefined ? undefined : new X509Certificate(cert as Buffer).validTo
}

/** A listening port that speaks TLS. */
export interface TlsServer {
  readonly server: Server
  reload(): void
  /** Ends the watch, and the connections that have not come as far as being clients. */
  stop(): void
}

/**
 * Makes the server that clients connect to; `accept` gets those whose handshake has succeeded.
 * @throws TlsFileError where a file cannot be used
 */
export function createTlsServer(
  config: Config,
  log: Logger,
  accept: (socket: Socket) => void,
  onRefused: () => void,
): TlsServer {
  const files: Files = { cert: config.tlsCert, key: config.tlsKey, ca: config.tlsClientCa }
  const auth = config.tlsClientAuth ?? (config.tlsClientCa === undefined ? 'no' : 'required')
  const refuse = (socket: Socket, reason: string): void => {
    onRefused()
    log.warn({ address: socket.remoteAddress, reason }, 'TLS client refused')
    socket.destroy()
  }
  const server = createServer(
    {
      ...readMaterial(files),
      noDelay: true,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      requestCert: auth !== 'no',
      rejectUnauthorized: auth === 'required',
    },
    (socket) => {
      // Optional means that it may be left out, not that any will do.
      if (auth === 'optional' && !socket.authorized && showsCertificate(socket)) {
        refuse(socket, `its certificate is not accepted: ${socket.authorizationError}`)
      } else {
        // From here on as on a plain port; before, a peer that ends has nothing more to get.
        socket.allowHalfOpen = true
        accept(socket)
      }
    },
  )
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    if (socket.authorizationError)
      refuse(socket, `its certificate is not accepted: ${socket.authorizationError}`)
    // Somebody who only looks whether the port is open, such as a probe, is no reason to worry.
    else if (error.code === 'ECONNRESET') log.debug({ reason: error.code }, 'TLS handshake not begun')
    else refuse(socket, error.code ?? firstLine(error))
  })
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  // They are no clients yet, and without a bound there could be any number.
  server.maxConnections = config.maxClients + MAX_HANDSHAKES
  const watched = watch(files, 'TLS for clients', log, (material) => server.setSecureContext(material))
  return {
    server,
    reload: watched.reload,
    stop() {
      watched.stop()
      for (const socket of open) socket.destroy()
    },
  }
}

function showsCertificate(socket: TLSSocket): boolean {
  return Object.keys(socket.getPeerCertificate()).length > 0
}

/** TLS to the nodes, with files that are read again. */
export interface WatchedUpstreamTls extends UpstreamTls {
  watch(log: Logger): Watched
}

/**
 * Prepares TLS to the nodes. Renewed files count for connections made from then on.
 * @throws TlsFileError where a file cannot be used
 */
export function openUpstreamTls(config: Config): WatchedUpstreamTls {
  const files: Files = {
    cert: config.upstreamTlsCert,
    key: config.upstreamTlsKey,
    ca: config.upstreamTlsCa,
  }
  let context = createSecureContext(readMaterial(files))
  const options: ConnectionOptions = {
    get secureContext() {
      return context
    },
    rejectUnauthorized: config.upstreamTlsVerify,
    ...(config.upstreamTlsServerName === undefined ? {} : { servername: config.upstreamTlsServerName }),
  }
  return {
    options,
    connect(host, port) {
      const socket = connect({ ...options, host, port })
      socket.once('secureConnect', () => socket.setNoDelay(true).setKeepAlive(true))
      return socket
    },
    watch: (log) =>
      watch(files, 'TLS to the upstream', log, (material) => {
        context = createSecureContext(material)
      }),
  }
}
