// Signs passes and checks signatures, so that other services can verify a pass without asking Redis.

import { readFileSync } from 'node:fs'
import { CompactSign, compactVerify, createLocalJWKSet, importJWK, type JSONWebKeySet, type JWK } from 'jose'
import type { PassSigner } from './commands/tq-passes.ts'

/** Signatures that may be used: Ed25519, in its old and its new name, and HMAC with SHA-256. */
const ALGORITHMS = ['EdDSA', 'Ed25519', 'HS256']
/** RFC 7518, 3.2: a key for HS256 has at least as many bits as the digest. */
const MIN_SECRET_BYTES = 32

/** A key file that cannot be used, in one sentence. */
export class PassKeyError extends Error {}

/**
 * Opens a JWK Set file. Its first key signs and every key verifies, so a key is rotated by putting a new one in
 * front and dropping the old one when the passes it signed have run out. Keys are Ed25519 (`kty` OKP) or secrets
 * (`kty` oct), each with a `kid`.
 * @throws PassKeyError with one sentence that says what is wrong
 */
export async function openPassKeys(file: string): Promise<PassSigner> {
  const keys = readKeys(file)
  const [first] = keys
  const algorithm = first.kty === 'oct' ? 'HS256' : 'EdDSA'
  if (first.kty !== 'oct' && first.d === undefined) {
    throw new PassKeyError(`${file}: the first key has no private part ("d"), and it is the one that signs`)
  }
  const signingKey = await importJWK(first, algorithm)
  // A verifying set must not hold private parts: jose refuses keys that could do more than verify.
  const verifying: JSONWebKeySet = {
    keys: keys.map(({ d: _private, use: _use, key_ops: _operations, ...key }) => ({
      ...key,
      alg: key.kty === 'oct' ? 'HS256' : 'EdDSA',
    })),
  }
  const keySet = createLocalJWKSet(verifying)
  const secrets = new Map(
    keys.filter((key) => key.kty === 'oct').map((key) => [key.kid, Buffer.from(key.k!, 'base64url')]),
  )
  return {
    async sign(claims) {
      const { event, user, token, pass, expiresMs } = claims
      const payload = {
        aud: event,
        sub: user,
        tok: token,
        jti: pass,
        // JWT dates are seconds; a pass without an end has none.
        ...(expiresMs > 0 ? { exp: Math.ceil(expiresMs / 1000) } : {}),
      }
      return new CompactSign(Buffer.from(JSON.stringify(payload)))
        .setProtectedHeader({ alg: algorithm, kid: first.kid!, typ: 'JWT' })
        .sign(signingKey)
    },
    async open(jws, event) {
      try {
        const { payload } = await compactVerify(
          jws,
          (header, token) => secrets.get(header.kid) ?? keySet(header, token),
          { algorithms: ALGORITHMS },
        )
        const claims = JSON.parse(Buffer.from(payload).toString()) as { aud?: unknown; jti?: unknown }
        return claims.aud === event && typeof claims.jti === 'string' ? claims.jti : null
      } catch {
        // A forged, foreign or broken pass is no pass; which of the three is none of the bearer's business.
        return null
      }
    },
  }
}

function readKeys(file: string): JWK[] {
  let set: { keys?: unknown }
  try {
    set = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new PassKeyError(`${file} cannot be read as a JWK Set: ${(error as Error).message.split('\n')[0]}`)
  }
  if (!Array.isArray(set?.keys) || set.keys.length === 0) {
    throw new PassKeyError(`${file} is no JWK Set: it needs "keys", a list with at least one key`)
  }
  const seen = new Set<string>()
  for (const key of set.keys as JWK[]) {
    if (typeof key?.kid !== 'string' || key.kid === '' || seen.has(key.kid)) {
      throw new PassKeyError(`${file}: every key needs a "kid" of its own`)
    }
    seen.add(key.kid)
    const ed25519 = key.kty === 'OKP' && key.crv === 'Ed25519' && typeof key.x === 'string'
    const secret = key.kty === 'oct' && typeof key.k === 'string'
    if (!ed25519 && !secret) {
      throw new PassKeyError(`${file}: key ${key.kid} is neither Ed25519 (kty OKP) nor a secret (kty oct)`)
    }
    if (secret && Buffer.from(key.k!, 'base64url').length < MIN_SECRET_BYTES) {
      throw new PassKeyError(`${file}: the secret ${key.kid} is shorter than ${MIN_SECRET_BYTES} bytes`)
    }
  }
  return set.keys as JWK[]
}
