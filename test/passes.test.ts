// Passes that are signed, so that other services can check them, and passes that are not.

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { createLocalJWKSet, type JWK, jwtVerify } from 'jose'
import { type Test, test } from 'tap'
import { startTestProxy } from './fixtures/proxy.ts'

type Entered = [status: string, pass: string, expires: number | null]
type Verified = [status: string, user: string | null, ttl: number | null]

function ed25519(kid: string): JWK {
  return { ...(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as JWK), kid }
}

function secret(kid: string): JWK {
  return { kty: 'oct', k: randomBytes(32).toString('base64url'), kid }
}

function keyFile(keys: readonly JWK[]): string {
  const file = join(mkdtempSync(join(tmpdir(), 'tq-keys-')), 'keys.json')
  writeFileSync(file, JSON.stringify({ keys }))
  return file
}

async function connect(t: Test, passKeys?: string): Promise<Redis> {
  const { port } = await startTestProxy(t, passKeys === undefined ? {} : { passKeys })
  const client = new Redis(port, '127.0.0.1', { protocol: 2, retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  return client
}

const randomEvent = (): string => `passes-${randomBytes(6).toString('hex')}`

async function enter(client: Redis, event: string, user: string, token: string): Promise<Entered> {
  await client.call('TQ.ENQUEUE', event, user, token)
  return (await client.call('TQ.ENTER', event, token)) as Entered
}

for (const [name, key] of [
  ['Ed25519', ed25519('k1')],
  ['HS256', secret('k1')],
] as const) {
  test(`a pass signed with ${name} can be verified by anybody with the key, and says who it is for`, async (t) => {
    const client = await connect(t, keyFile([key]))
    const event = randomEvent()
    await client.call('TQ.CONFIG', event, 'stay_ms', '60000')
    const [status, pass, expires] = await enter(client, event, 'ann', 'ticket-1')
    t.equal(status, 'ADMITTED')
    const { d: _private, ...verifying } = key
    const alg = key.kty === 'oct' ? 'HS256' : 'EdDSA'
    const { payload, protectedHeader } = await jwtVerify(
      pass,
      createLocalJWKSet({ keys: [{ ...verifying, alg }] }),
    ).catch(() => jwtVerify(pass, Buffer.from(key.k ?? '', 'base64url')))
    t.equal(protectedHeader.kid, 'k1')
    t.equal(payload.aud, event)
    t.equal(payload.sub, 'ann')
    t.equal(payload.tok, 'ticket-1')
    t.equal(payload.exp, Math.ceil(expires! / 1000))
    const [verdict, user, ttl] = (await client.call('TQ.VERIFY', event, pass)) as Verified
    t.equal(verdict, 'VALID')
    t.equal(user, 'ann')
    t.ok(ttl! > 0 && ttl! <= 60_000)
  })
}

test('TQ.VERIFY refuses passes that are forged, of another event, of another key, or revoked', async (t) => {
  const client = await connect(t, keyFile([ed25519('k1')]))
  const stranger = await connect(t, keyFile([ed25519('k1')]))
  const event = randomEvent()
  const verdict = async (of: string, pass: string): Promise<string> =>
    ((await client.call('TQ.VERIFY', of, pass)) as Verified)[0]
  const [, pass] = await enter(client, event, 'ann', 'ticket-1')
  t.equal(await verdict(event, pass), 'VALID')

  const [head, body, signature] = pass.split('.')
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'eve' })).toString('base64url')
  t.equal(await verdict(event, `${head}.${forged}.${signature}`), 'INVALID', 'another user written in')
  const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
  t.equal(await verdict(event, `${none}.${body}.${signature}`), 'INVALID', 'no algorithm')
  t.equal(await verdict(event, `${none}.${body}.x`), 'INVALID', 'no signature to speak of')

  const other = randomEvent()
  await enter(client, other, 'ann', 'ticket-1')
  t.equal(await verdict(other, pass), 'INVALID', 'of another event')

  await client.call('TQ.ENQUEUE', event, 'ben', 'ticket-2')
  const [, foreign] = (await stranger.call('TQ.ENTER', event, 'ticket-2')) as Entered
  t.equal(await verdict(event, foreign), 'INVALID', 'signed with a key that is not ours')

  t.equal(await client.call('TQ.DONE', event, 'ticket-1'), 1)
  t.equal(await verdict(event, pass), 'REVOKED', 'its owner is done')
})

test('a key is rotated by putting the new one in front', async (t) => {
  const [old, fresh] = [ed25519('2026-10'), ed25519('2026-11')]
  const before = await connect(t, keyFile([old]))
  const between = await connect(t, keyFile([fresh, old]))
  const after = await connect(t, keyFile([fresh]))
  const event = randomEvent()
  const [, first] = await enter(before, event, 'ann', 'ticket-1')
  t.equal(((await between.call('TQ.VERIFY', event, first)) as Verified)[0], 'VALID')
  t.equal(((await after.call('TQ.VERIFY', event, first)) as Verified)[0], 'INVALID')
  const [, second] = await enter(between, event, 'ben', 'ticket-2')
  t.equal(JSON.parse(Buffer.from(second.split('.')[0], 'base64url').toString()).kid, '2026-11')
  t.equal(((await after.call('TQ.VERIFY', event, second)) as Verified)[0], 'VALID')
})

test('every row of TQ.ADMIT carries a signed pass, and TQ.ENTER gives the same pass again', async (t) => {
  const client = await connect(t, keyFile([ed25519('k1')]))
  const event = randomEvent()
  await client.call('TQ.CONFIG', event, 'admit', 'manual')
  for (let i = 0; i < 5; i++) await client.call('TQ.ENQUEUE', event, `user-${i}`, `ticket-${i}`)
  const rows = (await client.call('TQ.ADMIT', event, 'COUNT', '5', 'FORCE')) as [
    string,
    string,
    string,
    number,
  ][]
  t.equal(rows.length, 5)
  for (const [i, [token, user, pass]] of rows.entries()) {
    t.equal(token, `ticket-${i}`)
    t.equal(user, `user-${i}`)
    const inside = JSON.parse(Buffer.from(pass.split('.')[1], 'base64url').toString())
    t.equal(inside.tok, token)
    const [status, again] = (await client.call('TQ.ENTER', event, token)) as Entered
    t.equal(status, 'ADMITTED')
    t.equal(JSON.parse(Buffer.from(again.split('.')[1], 'base64url').toString()).jti, inside.jti)
  }
})

test('a hold of an event that asks for passes is refused without one, with or without signatures', async (t) => {
  for (const passKeys of [undefined, keyFile([ed25519('k1')])]) {
    const client = await connect(t, passKeys)
    const event = randomEvent()
    await client.call('TQ.CONFIG', event, 'require_pass', '1')
    await client.call('TQ.STOCK', event, 'SEATS', 'A1', 'A2')
    const hold = async (...words: string[]): Promise<string> =>
      ((await client.call('TQ.HOLD', event, ...words)) as [string])[0]
    t.equal(await hold('ann', 'SEATS', 'A1'), 'NOT_ADMITTED')
    t.equal(await hold('ann', 'PASS', 'made-up', 'SEATS', 'A1'), 'NOT_ADMITTED')
    const [, pass] = await enter(client, event, 'ann', 'ticket-1')
    t.equal(await hold('ben', 'PASS', pass, 'SEATS', 'A1'), 'NOT_ADMITTED', 'a pass of somebody else')
    t.equal(await hold('ann', 'PASS', pass, 'SEATS', 'A1'), 'HELD')
  }
})

test('commands behind a signature that is still being checked keep their order', async (t) => {
  const client = await connect(t, keyFile([ed25519('k1')]))
  const event = randomEvent()
  const [, pass] = await enter(client, event, 'ann', 'ticket-1')
  const replies = (await client
    .pipeline()
    .call('TQ.VERIFY', event, pass)
    .call('TQ.DONE', event, 'ticket-1')
    .call('TQ.VERIFY', event, pass)
    .call('TQ.POS', event, 'ticket-1')
    .exec())!
  t.strictSame(
    replies.map(([error, reply]) => error ?? (Array.isArray(reply) ? reply[0] : reply)),
    ['VALID', 1, 'REVOKED', null],
  )
})

test('a key file that cannot be used is one sentence', async (t) => {
  const { d: _private, ...publicOnly } = ed25519('k1')
  const cases: [RegExp, readonly JWK[]][] = [
    [/is no JWK Set/, []],
    [/needs a "kid"/, [{ ...ed25519('k1'), kid: '' }]],
    [/needs a "kid" of its own/, [ed25519('k1'), secret('k1')]],
    [/no private part/, [publicOnly]],
    [/neither Ed25519 .* nor a secret/, [{ kty: 'RSA', n: 'x', e: 'AQAB', kid: 'k1' }]],
    [/shorter than 32 bytes/, [{ kty: 'oct', k: 'c2hvcnQ', kid: 'k1' }]],
  ]
  for (const [message, keys] of cases) {
    await t.rejects(startTestProxy(t, { passKeys: keyFile(keys) }), { message })
  }
  await t.rejects(startTestProxy(t, { passKeys: '/no/such/file' }), {
    message: /cannot be read as a JWK Set/,
  })
})
