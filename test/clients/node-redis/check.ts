// Drives node-redis through the proxy and prints one line for each capability.

import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createClient, defineScript, ErrorReply, RESP_TYPES } from '@redis/client'
import { capability, restarted } from '../program.ts'

const { TQ_PORT, TQ_PROTOCOL, TQ_PASSWORD } = process.env
const resp2 = TQ_PROTOCOL === '2'
const problems: string[] = []
const name = `node-redis-${randomBytes(6).toString('hex')}`

const scripts = {
  twice: defineScript({
    SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)",
    NUMBER_OF_KEYS: 1,
    parseCommand(parser, key: string, by: number) {
      parser.pushKey(key)
      parser.push(String(by))
    },
    transformReply: (reply: unknown) => reply as number,
  }),
}
const url = `redis://${TQ_PASSWORD ? `:${encodeURIComponent(TQ_PASSWORD)}@` : ''}127.0.0.1:${TQ_PORT}`
const client = createClient({ url, scripts, ...(resp2 ? { RESP: 2 as const } : {}) })
client.on('error', (error: Error) => problems.push(error.message))
const send = (...words: string[]): Promise<unknown> => client.sendCommand(words)

await capability('connects with its opening commands answered', async () => {
  await client.connect()
  equal(await client.ping(), 'PONG')
  match(
    String(await send('CLIENT', 'INFO')),
    new RegExp(`resp=${resp2 ? 2 : 3} lib-name=node-redis lib-ver=6`),
  )
  deepEqual(problems, [])
})

await capability('reads and writes strings', async () => {
  equal(await client.set(`${name}:s`, 'value', { expiration: { type: 'EX', value: 60 } }), 'OK')
  equal(await client.get(`${name}:s`), 'value')
  equal(await client.get(`${name}:none`), null)
  equal(await client.set(`${name}:s`, 'other', { condition: 'NX' }), null)
})

await capability('counts', async () => {
  equal(await client.incr(`${name}:n`), 1)
  equal(await client.incrBy(`${name}:n`, 41), 42)
})

await capability('reads and writes hashes, sorted sets and streams', async () => {
  equal(await client.hSet(`${name}:h`, { a: '1', b: '2' }), 2)
  deepEqual({ ...(await client.hGetAll(`${name}:h`)) }, { a: '1', b: '2' })
  const members = [
    { score: 1, value: 'one' },
    { score: 2.5, value: 'two' },
  ]
  equal(await client.zAdd(`${name}:z`, members), 2)
  deepEqual(await client.zRangeWithScores(`${name}:z`, 0, -1), members)
  const id = await client.xAdd(`${name}:x`, '*', { field: 'value' })
  const [entry] = (await client.xRange(`${name}:x`, '-', '+'))!
  deepEqual([entry!.id, { ...entry!.message }], [id, { field: 'value' }])
})

await capability('runs a script of its own', async () => {
  const reply = await client.eval('return {KEYS[1], ARGV[1], 7}', { keys: [`${name}:k`], arguments: ['a'] })
  deepEqual(reply, [`${name}:k`, 'a', 7])
  // By its digest first, as the client does it; the text follows when Redis does not know it.
  equal(await client.twice(`${name}:n`, 4), 50)
  equal(await client.twice(`${name}:n`, 4), 58)
})

await capability('keeps binary keys and values as they are', async () => {
  const key = Buffer.concat([Buffer.from(`${name}\r\n`), Buffer.from([0, 255, 13, 10, 128])])
  const value = randomBytes(70_000)
  await client.set(key, value)
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
  ok(value.equals((await binary.get(key))!))
})

await capability(
  'has several hundred commands over all slots answered in order in one pipeline',
  async () => {
    const pipeline = client.multi()
    for (let i = 0; i < 300; i++) pipeline.set(`${name}:p:${i}`, i).get(`${name}:p:${i}`)
    const replies = await pipeline.execAsPipeline()
    deepEqual(replies, Array.from({ length: 300 }, (_, i) => ['OK', String(i)]).flat())
    const together = await Promise.all(Array.from({ length: 300 }, (_, i) => client.get(`${name}:p:${i}`)))
    deepEqual(
      together,
      Array.from({ length: 300 }, (_, i) => String(i)),
    )
  },
)

await capability('gets an error as its own kind of error and goes on', async () => {
  await rejects(client.lPush(`${name}:s`, 'x'), (error: Error) => {
    ok(error instanceof ErrorReply)
    match(error.message, /^WRONGTYPE /)
    return true
  })
  await rejects(send('NO.SUCH', 'x'), /ERR unknown command 'NO\.SUCH', with args beginning with: 'x'/)
  const replies = await Promise.allSettled([
    client.get(`${name}:s`),
    client.lPush(`${name}:s`, 'x'),
    client.get(`${name}:s`),
  ])
  deepEqual(
    replies.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

await capability('names itself and learns its id', async () => {
  equal(await client.clientSetName(name), 'OK')
  equal(await client.clientGetName(), name)
  const id = await client.clientId()
  ok(Number.isSafeInteger(id))
  const info = await client.clientInfo()
  deepEqual([info.id, info.name, info.addr.startsWith('127.0.0.1:')], [id, name, true])
})

await capability('reads INFO', async () => {
  const info = await client.info()
  match(info, /^redis_version:\d+\.\d+\.\d+\r$/m)
  match(info, /^tq_version:\S+\r$/m)
  match(await client.info('server'), /^# Server\r\n/)
})

const event = `${name}-event`

await capability('enqueues, and again: a duplicate', async () => {
  const [status, id, position] = (await send('TQ.ENQUEUE', event, 'user-1', 'token-1')) as unknown[]
  equal(status, 'QUEUED')
  match(String(id), /^\d+-\d+$/)
  equal(position, 1)
  deepEqual(await send('TQ.ENQUEUE', event, 'user-1', 'token-1'), ['DUPLICATE', id, 1])
})

await capability('asks for a position, and for that of nobody', async () => {
  equal(await send('TQ.POS', event, 'token-1'), 1)
  equal(await send('TQ.POS', event, 'token-0'), null)
})

await capability('reads the status record in the form of its protocol', async () => {
  const reply = await send('TQ.STATUS', event, 'token-1')
  equal(Array.isArray(reply), resp2)
  const status = resp2 ? recordOf(reply as unknown[]) : (reply as Record<string, unknown>)
  deepEqual([status.state, status.position, status.total], ['waiting', 1, 1])
  equal(await send('TQ.STATUS', event, 'token-0'), null)
})

await capability('holds a seat, and finds it taken for others', async () => {
  deepEqual(await send('TQ.STOCK', event, 'SEATS', 'A1', 'A2'), ['STOCKED', 2])
  const held = (await send('TQ.HOLD', event, 'user-1', 'EX', '60', 'SEATS', 'A1')) as unknown[]
  deepEqual(held.slice(0, 2), ['HELD', 1])
  const refused = await send('TQ.HOLD', event, 'user-2', 'SEATS', 'A1', 'A2')
  deepEqual(refused, ['SEAT_UNAVAILABLE', 1, null, null, ['A1']])
  await rejects(send('TQ.HOLD', event, 'user-2', 'SEATS', 'A1', 'A1'), (error: Error) => {
    ok(error instanceof ErrorReply)
    equal(error.message, 'ERR syntax error')
    return true
  })
})

await capability('sends TQ commands in a pipeline among others', async () => {
  const pipeline = client.multi()
  for (let i = 0; i < 50; i++) {
    pipeline.set(`${name}:p:${i}`, i)
    pipeline.addCommand(['TQ.ENQUEUE', `${event}-${i}`, 'user', 'token'])
    pipeline.addCommand(['TQ.POS', `${event}-${i}`, 'token'])
  }
  const replies = (await pipeline.execAsPipeline()) as unknown[]
  for (let i = 0; i < 50; i++) {
    const [set, enqueued, position] = replies.slice(i * 3, i * 3 + 3)
    deepEqual([set, (enqueued as unknown[])[0], position], ['OK', 'QUEUED', 1])
  }
})

await capability('comes back after the proxy was started anew', async () => {
  await restarted()
  equal(await client.get(`${name}:s`), 'value')
  equal(await send('TQ.POS', event, 'token-1'), 1)
  match(String(await send('CLIENT', 'INFO')), new RegExp(`resp=${resp2 ? 2 : 3} lib-name=node-redis`))
})

await client.close()

function recordOf(flat: unknown[]): Record<string, unknown> {
  const record: Record<string, unknown> = {}
  for (let i = 0; i < flat.length; i += 2) record[String(flat[i])] = flat[i + 1]
  return record
}
