// What concerns the connection itself is answered in the very bytes of a plain Redis.

import t from 'tap'
import { ownRedis, randomName, sharedRedis, waitFor } from '../../fixtures/cluster.ts'
import { startTestProxy } from '../../fixtures/proxy.ts'
import { encode, parse, rawClient } from '../../fixtures/raw-client.ts'
import { repliesOf, sameReplies } from './compare.ts'

const { port } = await startTestProxy(t)
const redisPort = Number((await sharedRedis()).split(':')[1])
const password = randomName('secret')
const guarded = await startTestProxy(t, { requirepass: password })
const guardedRedis = await ownRedis(t, { password })

/** Runs a conversation with RESP2 and, behind a HELLO 3, with RESP3. */
function inBoth(conversations: readonly string[]): string[] {
  return [...conversations, ...conversations.map((conversation) => `HELLO 3; ${conversation}`)]
}

t.test('HELLO answers as Redis does, with the version that lies behind', async (t) => {
  await sameReplies(t, port, redisPort, [
    'HELLO',
    'HELLO 2',
    'HELLO 3',
    'hello 3; HELLO',
    'HELLO 3; HELLO 2; GET no:such:key',
    'HELLO 3; GET no:such:key',
    'HELLO 3 SETNAME me; CLIENT GETNAME',
    'HELLO 2 setname me; CLIENT GETNAME',
    'HELLO 3 AUTH default anything',
    'HELLO 3 SETNAME a SETNAME b; CLIENT GETNAME',
    'HELLO 3 AUTH default x SETNAME y; CLIENT GETNAME',
  ])
})

t.test('HELLO refuses as Redis does, and nothing changes', async (t) => {
  await sameReplies(
    t,
    port,
    redisPort,
    inBoth([
      'HELLO 1; GET no:such:key',
      'HELLO 4; GET no:such:key',
      'HELLO 0',
      'HELLO -3',
      'HELLO x',
      'HELLO 03',
      'HELLO 3.0',
      'HELLO ""',
      'HELLO " 3"',
      'HELLO 99999999999999999999',
      'HELLO SETNAME me',
      'HELLO 3 WHAT; GET no:such:key',
      'HELLO 2 WHAT; GET no:such:key',
      'HELLO 3 SETNAME; GET no:such:key',
      'HELLO 3 AUTH; GET no:such:key',
      'HELLO 3 AUTH default',
      'HELLO 3 SETNAME "two words"; CLIENT GETNAME',
      'HELLO 3 AUTH nobody x; GET no:such:key',
    ]),
  )
})

t.test('HELLO switches exactly at its reply, also in the middle of a pipeline', async (t) => {
  const client = await rawClient(port)
  t.teardown(client.destroy)
  const nothing = encode('GET', randomName('none'))
  await client.send(
    Buffer.concat([
      nothing,
      encode('HELLO', '3'),
      encode('CLIENT', 'SETINFO', 'LIB-NAME', 'x'),
      nothing,
      encode('HELLO', '2'),
      nothing,
    ]),
  )
  const replies = await client.replies(6)
  t.same(
    replies.map((reply) => String(reply).slice(0, 4)),
    ['$-1\r', '%7\r\n', '+OK\r', '_\r\n', '*14\r', '$-1\r'],
  )
  const hello = parse(replies[1]!) as Map<string, unknown>
  t.same([...hello.keys()], ['server', 'version', 'proto', 'id', 'mode', 'role', 'modules'])
  t.type(hello.get('id'), 'number')
})

t.test('AUTH without a password set answers as Redis does', async (t) => {
  await sameReplies(
    t,
    port,
    redisPort,
    inBoth(['AUTH x', 'AUTH default x', 'AUTH nobody x', 'AUTH', 'AUTH a b c', 'AUTH default ""']),
  )
})

t.test('with a password set, what comes before it is refused in the words of Redis', async (t) => {
  await sameReplies(t, guarded.port, guardedRedis.port, [
    'PING',
    'GET a',
    'INFO',
    'COMMAND DOCS',
    'ECHO x',
    'SELECT 0',
    'HELLO; PING',
    'HELLO 3; PING',
    'HELLO 3 SETNAME me; PING',
    'HELLO 4',
    'HELLO x',
    'HELLO 3 WHAT',
    'HELLO 3 SETNAME "two words"',
    'RESET; PING',
    'RESET x',
    'QUIT',
  ])
})

t.test('the password is taken and refused in the words of Redis', async (t) => {
  await sameReplies(t, guarded.port, guardedRedis.port, [
    `AUTH ${password}; PING`,
    `AUTH default ${password}; PING`,
    `auth DEFAULT ${password}; PING`,
    `AUTH nobody ${password}; PING`,
    `AUTH ${password}x; PING`,
    'AUTH ""; PING',
    'AUTH default ""',
    'AUTH',
    'AUTH a b c',
    `AUTH ${password}; AUTH wrong; PING`,
    `AUTH ${password}; RESET; PING`,
    `HELLO 3 AUTH default ${password}; PING`,
    `HELLO 3 AUTH default ${password} SETNAME me; CLIENT GETNAME`,
    `HELLO 3 SETNAME me AUTH default ${password}; CLIENT GETNAME`,
    `HELLO 3 AUTH nobody ${password}; PING`,
    'HELLO 3 AUTH default wrong; PING',
    `HELLO 2 AUTH default wrong; HELLO 2 AUTH default ${password}; PING`,
    `AUTH ${password}; HELLO 3; RESET; HELLO 2 AUTH default ${password}; GET no:such:key`,
    `AUTH ${password}; CLIENT SETNAME me; RESET; AUTH ${password}; CLIENT GETNAME`,
  ])
})

t.test(
  'a HELLO that is refused in one option leaves the client where it was, the password included',
  async (t) => {
    // Redis before 7.2 would have logged in already; later ones do as we do.
    for (const rest of ['WHAT', 'SETNAME "two words"']) {
      const replies = await repliesOf(guarded.port, [`HELLO 3 AUTH default ${password} ${rest}`, 'PING'])
      t.match(replies, [/-ERR /, /-NOAUTH /])
    }
  },
)

t.test('before the password a command that is unknown or wrong is not judged', async (t) => {
  for (const command of ['NO.SUCH', 'GET', 'CLIENT', 'CLIENT NOSUCH', 'TQ.POS', 'TQ.POS event token']) {
    t.same(await repliesOf(guarded.port, [command]), [`${command} → -NOAUTH Authentication required.\r\n`])
  }
})

t.test('PING, ECHO, SELECT, RESET and ROLE answer as Redis does', async (t) => {
  await sameReplies(
    t,
    port,
    redisPort,
    inBoth([
      'PING',
      'ping',
      'PING hello',
      'PING ""',
      'PING a b',
      'ECHO hello',
      'ECHO ""',
      'ECHO',
      'ECHO a b',
      'SELECT 0',
      'SELECT',
      'SELECT 0 1',
      'SELECT x',
      'SELECT -1',
      'SELECT 16',
      'SELECT 00',
      'SELECT 99999999999999999999',
      'RESET; GET no:such:key',
      'RESET x',
      'CLIENT SETNAME me; RESET; CLIENT GETNAME',
      'ROLE',
      'ROLE x',
      'UNWATCH',
      'DISCARD',
      'EXEC',
    ]),
  )
})

t.test('there is one database', async (t) => {
  t.same(await repliesOf(port, ['SELECT 1', 'SELECT 15']), [
    'SELECT 1 → -ERR DB index is out of range\r\n',
    'SELECT 15 → -ERR DB index is out of range\r\n',
  ])
})

t.test('QUIT gives what is owed, its own OK, and the end', async (t) => {
  for (const at of [port, redisPort]) {
    const client = await rawClient(at)
    await client.send(
      Buffer.concat([encode('PING'), encode('GET', 'no:such:key'), encode('QUIT', 'now'), encode('PING')]),
    )
    await client.closed
    t.equal(String(client.unread()), '+PONG\r\n$-1\r\n+OK\r\n')
  }
})

t.test('a command that nobody knows is refused in the words of Redis', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) => `argument-${i}`).join(' ')
  await sameReplies(
    t,
    port,
    redisPort,
    inBoth([
      'NO.SUCH',
      'no.such a',
      'No.Such "two words" b',
      `NO.SUCH ${many}`,
      `${'x'.repeat(300)} ${'y'.repeat(300)}`,
      'NO.SUCH ""',
      '""',
      'GETT a',
    ]),
  )
})

t.test('a subcommand that nobody knows is refused in the words of Redis', async (t) => {
  await sameReplies(
    t,
    port,
    redisPort,
    inBoth([
      'CLIENT NOSUCH',
      'client nosuch x',
      `CLIENT ${'x'.repeat(300)}`,
      'CONFIG NOSUCH',
      'OBJECT NOSUCH key',
      'XGROUP NOSUCH key',
      'XINFO NOSUCH key',
      'MEMORY NOSUCH',
      'SCRIPT NOSUCH',
      'FUNCTION NOSUCH',
      'ACL NOSUCH',
      'COMMAND NOSUCH',
      'CLUSTER NOSUCH',
      'LATENCY NOSUCH',
    ]),
  )
})

t.test('a number of arguments that cannot be is refused in the words of Redis', async (t) => {
  await sameReplies(
    t,
    port,
    redisPort,
    inBoth([
      'GET',
      'get a b',
      'SET a',
      'MGET',
      'EVAL',
      'CLIENT',
      'CONFIG',
      'CONFIG GET',
      'OBJECT',
      'OBJECT ENCODING',
      'XGROUP',
      'MEMORY',
      'SCRIPT',
      'ACL',
      'CLIENT ID x',
      'CLIENT GETNAME x',
      'CLIENT SETNAME',
      'TIME x',
    ]),
  )
})

t.test('help is that of Redis', async (t) => {
  await sameReplies(t, port, redisPort, ['CLIENT HELP', 'OBJECT HELP', 'COMMAND HELP', 'HELLO 3; XINFO HELP'])
})

t.test('a wrong password is noted in the log, never with what was given', async (t) => {
  const guess = randomName('guess')
  const before = guarded.log.length
  await repliesOf(guarded.port, [`AUTH ${guess}`, `HELLO 3 AUTH default ${guess}`])
  await waitFor('two lines', () => guarded.log.length >= before + 2)
  t.match(guarded.log.slice(before), [{ message: 'wrong password' }, { message: 'wrong password' }])
  t.notMatch(JSON.stringify(guarded.log), new RegExp(guess))
})
