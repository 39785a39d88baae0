// Drives ioredis through the proxy and prints one line for each capability.

import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Redis, type RedisOptions, ReplyError } from 'ioredis'
import { capability, restarted } from '../program.ts'

const { TQ_PORT, TQ_PROTOCOL, TQ_PASSWORD } = process.env
const resp2 = TQ_PROTOCOL === '2'

function connect(): Redis {
  const redis = new Redis(Number(TQ_PORT), {
    ...(resp2 ? { protocol: 2 as const } : {}),
    ...(TQ_PASSWORD ? { password: TQ_PASSWORD } : {}),
  })
  redis.on('error', (error) => problems.push(error.message))
  return redis
}

const problems: string[] = []
const name = `ioredis-${randomBytes(6).toString('hex')}`
const redis = connect()

await capability('connects with its opening commands answered', async () => {
  equal(await redis.ping(), 'PONG')
  equal(redis.status, 'ready')
  match(String(await redis.client('INFO')), new RegExp(`resp=${resp2 ? 2 : 3} lib-name=ioredis lib-ver=6`))
  deepEqual(problems, [])
})

await capability('reads and writes strings', async () => {
  equal(await redis.set(`${name}:s`, 'value', 'EX', 60), 'OK')
  equal(await redis.get(`${name}:s`), 'value')
  equal(await redis.get(`${name}:none`), null)
  equal(await redis.set(`${name}:s`, 'other', 'NX'), null)
})

await capability('counts', async () => {
  equal(await redis.incr(`${name}:n`), 1)
  equal(await redis.incrby(`${name}:n`, 41), 42)
})

await capability('reads and writes hashes, sorted sets and streams', async () => {
  equal(await redis.hset(`${name}:h`, { a: '1', b: '2' }), 2)
  deepEqual({ ...(await redis.hgetall(`${name}:h`)) }, { a: '1', b: '2' })
  equal(await redis.zadd(`${name}:z`, 1, 'one', '2.5', 'two'), 2)
  deepEqual(await redis.zrange(`${name}:z`, '0', '-1', 'WITHSCORES'), ['one', '1', 'two', '2.5'])
  const id = await redis.xadd(`${name}:x`, '*', 'field', 'value')
  deepEqual(await redis.xrange(`${name}:x`, '-', '+'), [[id, ['field', 'value']]])
})

await capability('runs a script of its own', async () => {
  deepEqual(await redis.eval('return {KEYS[1], ARGV[1], 7}', 1, `${name}:k`, 'a'), [`${name}:k`, 'a', 7])
  redis.defineCommand('twice', { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)" })
  const scripted = redis as Redis & { twice(key: string, by: number): Promise<number> }
  equal(await scripted.twice(`${name}:n`, 4), 50)
})

await capability('keeps binary keys and values as they are', async () => {
  const key = Buffer.concat([Buffer.from(`${name}\r\n`), Buffer.from([0, 255, 13, 10, 128])])
  const value = randomBytes(70_000)
  await redis.set(key, value)
  ok(value.equals((await redis.getBuffer(key))!))
})

await capability(
  'has several hundred commands over all slots answered in order in one pipeline',
  async () => {
    const pipeline = redis.pipeline()
    for (let i = 0; i < 300; i++) pipeline.set(`${name}:p:${i}`, i).get(`${name}:p:${i}`)
    const replies = (await pipeline.exec())!
    equal(replies.length, 600)
    for (let i = 0; i < 300; i++)
      deepEqual(replies.slice(i * 2, i * 2 + 2), [
        [null, 'OK'],
        [null, String(i)],
      ])
    const together = await Promise.all(Array.from({ length: 300 }, (_, i) => redis.get(`${name}:p:${i}`)))
    deepEqual(
      together,
      Array.from({ length: 300 }, (_, i) => String(i)),
    )
  },
)

await capability('gets an error as its own kind of error and goes on', async () => {
  await rejects(redis.lpush(`${name}:s`, 'x'), (error: Error) => {
    ok(error instanceof ReplyError)
    match(error.message, /^WRONGTYPE /)
    return true
  })
  await rejects(
    redis.call('NO.SUCH', 'x'),
    /^ReplyError: ERR unknown command 'NO\.SUCH', with args beginning with: 'x'/,
  )
  const replies = await redis.pipeline().get(`${name}:s`).lpush(`${name}:s`, 'x').get(`${name}:s`).exec()
  deepEqual(
    [replies![0], replies![2]],
    [
      [null, 'value'],
      [null, 'value'],
    ],
  )
  match(replies![1]![0]!.message, /^WRONGTYPE /)
})

await capability('names itself and learns its id', async () => {
  equal(await redis.client('SETNAME', name), 'OK')
  equal(await redis.client('GETNAME'), name)
  const id = await redis.client('ID')
  ok(Number.isSafeInteger(id))
  match(String(await redis.client('INFO')), new RegExp(`^id=${id} .* name=${name} `))
})

await capability('reads INFO', async () => {
  const info = await redis.info()
  match(info, /^redis_version:\d+\.\d+\.\d+\r$/m)
  match(info, /^tq_version:\S+\r$/m)
  match(await redis.info('server'), /^# Server\r\n/)
})

const event = `${name}-event`

await capability('enqueues, and again: a duplicate', async () => {
  const [status, id, position] = (await redis.call('TQ.ENQUEUE', event, 'user-1', 'token-1')) as unknown[]
  equal(status, 'QUEUED')
  match(String(id), /^\d+-\d+$/)
  equal(position, 1)
  deepEqual(await redis.call('TQ.ENQUEUE', event, 'user-1', 'token-1'), ['DUPLICATE', id, 1])
})

await capability('asks for a position, and for that of nobody', async () => {
  equal(await redis.call('TQ.POS', event, 'token-1'), 1)
  equal(await redis.call('TQ.POS', event, 'token-0'), null)
})

await capability('reads the status record in the form of its protocol', async () => {
  // By default ioredis 6 gives what RESP3 calls a map in the form that RESP2 had; both are read here.
  const flat = (await redis.call('TQ.STATUS', event, 'token-1')) as unknown[]
  ok(Array.isArray(flat))
  equal(flat[flat.indexOf('state') + 1], 'waiting')
  equal(flat[flat.indexOf('position') + 1], 1)
  equal(await redis.call('TQ.STATUS', event, 'token-0'), null)
  if (resp2) return
  const mapped = redis.duplicate({ replyMapping: 'resp3' } as Partial<RedisOptions>)
  const status = (await mapped.call('TQ.STATUS', event, 'token-1')) as Record<string, unknown>
  mapped.disconnect()
  equal(status.state, 'waiting')
  equal(status.position, 1)
})

await capability('holds a seat, and finds it taken for others', async () => {
  deepEqual(await redis.call('TQ.STOCK', event, 'SEATS', 'A1', 'A2'), ['STOCKED', 2])
  const held = (await redis.call('TQ.HOLD', event, 'user-1', 'EX', 60, 'SEATS', 'A1')) as unknown[]
  deepEqual(held.slice(0, 2), ['HELD', 1])
  deepEqual(await redis.call('TQ.HOLD', event, 'user-2', 'SEATS', 'A1', 'A2'), [
    'SEAT_UNAVAILABLE',
    1,
    null,
    null,
    ['A1'],
  ])
  await rejects(redis.call('TQ.HOLD', event, 'user-2', 'SEATS', 'A1', 'A1'), /^ReplyError: ERR syntax error$/)
})

await capability('sends TQ commands in a pipeline among others', async () => {
  const pipeline = redis.pipeline()
  for (let i = 0; i < 50; i++) {
    pipeline.set(`${name}:p:${i}`, i)
    pipeline.call('TQ.ENQUEUE', `${event}-${i}`, 'user', 'token')
    pipeline.call('TQ.POS', `${event}-${i}`, 'token')
  }
  const replies = (await pipeline.exec())!
  for (let i = 0; i < 50; i++) {
    deepEqual(replies[i * 3], [null, 'OK'])
    equal((replies[i * 3 + 1]![1] as unknown[])[0], 'QUEUED')
    deepEqual(replies[i * 3 + 2], [null, 1])
  }
})

await capability('comes back after the proxy was started anew', async () => {
  await restarted()
  equal(await redis.get(`${name}:s`), 'value')
  deepEqual((await redis.call('TQ.POS', event, 'token-1')) as unknown, 1)
  match(String(await redis.client('INFO')), new RegExp(`resp=${resp2 ? 2 : 3} lib-name=ioredis`))
})

await redis.quit()
