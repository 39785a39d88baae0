// CLIENT and its subcommands speak of the proxy's own clients, in the words of Redis.

import t from 'tap'
import { randomName, sharedRedis, waitFor } from '../../fixtures/cluster.ts'
import { startTestProxy } from '../../fixtures/proxy.ts'
import { encode, type RawClient, rawClient, type Value } from '../../fixtures/raw-client.ts'
import { repliesOf, sameReplies } from './compare.ts'

const { port } = await startTestProxy(t)
const redisPort = Number((await sharedRedis()).split(':')[1])

/** The fields of one line of CLIENT LIST. */
function fieldsOf(line: Value): Record<string, string> {
  return Object.fromEntries(
    String(line)
      .trim()
      .split(' ')
      .map((field) => field.split(/=(.*)/s).slice(0, 2)),
  )
}

t.test('a client names itself as with Redis', async (t) => {
  const conversations = [
    'CLIENT GETNAME',
    'CLIENT SETNAME me; CLIENT GETNAME',
    'client setname me; CLIENT SETNAME other; client getname',
    'CLIENT SETNAME me; CLIENT SETNAME ""; CLIENT GETNAME',
    'CLIENT SETNAME me; CLIENT SETNAME "two words"; CLIENT GETNAME',
    'CLIENT SETNAME "line\nbreak"',
    'CLIENT SETNAME é',
    'CLIENT SETNAME !~',
    'CLIENT SETNAME a b',
  ]
  await sameReplies(t, port, redisPort, [
    ...conversations,
    ...conversations.map((line) => `HELLO 3; ${line}`),
  ])
})

t.test('switches that have no effect here are taken and refused as by Redis', async (t) => {
  await sameReplies(t, port, redisPort, [
    'CLIENT NO-EVICT ON',
    'CLIENT NO-EVICT off',
    'CLIENT NO-EVICT what',
    'CLIENT NO-EVICT',
    'CLIENT GETREDIR',
    'CLIENT GETREDIR x',
    'CLIENT TRACKINGINFO',
    'HELLO 3; CLIENT TRACKINGINFO',
    'CLIENT TRACKING OFF',
    'CLIENT TRACKING',
    'CLIENT CACHING YES',
    'CLIENT CACHING what',
  ])
})

t.test('client side caching is refused with a reason', async (t) => {
  const [reply] = await repliesOf(port, ['CLIENT TRACKING ON'])
  t.match(reply, /-ERR client side caching \(CLIENT TRACKING\) is not supported through tq-proxy\r\n$/)
})

t.test('opening commands of newer clients get an answer that they can live with', async (t) => {
  t.same(
    (
      await repliesOf(port, [
        'CLIENT SETINFO LIB-NAME my-client(tag_v1)',
        'client setinfo lib-ver 1.2.3',
        'CLIENT SETINFO LIB-NAME "two words"',
        'CLIENT SETINFO lib-ver "two words"',
        'CLIENT SETINFO COLOUR blue',
        'CLIENT SETINFO LIB-NAME',
        'CLIENT NO-TOUCH ON',
        'CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip',
      ])
    ).map((reply) => reply.split(' → ')[1]),
    [
      '+OK\r\n',
      '+OK\r\n',
      '-ERR lib-name cannot contain spaces, newlines or special characters.\r\n',
      '-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n',
      "-ERR Unrecognized option 'COLOUR'\r\n",
      "-ERR wrong number of arguments for 'client|setinfo' command\r\n",
      '+OK\r\n',
      "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
    ],
  )
})

t.test('ids are unique, grow, and are the same wherever they are told', async (t) => {
  const ids: number[] = []
  for (let i = 0; i < 3; i++) {
    const client = await rawClient(port)
    t.teardown(client.destroy)
    const id = (await client.call('CLIENT', 'ID')) as number
    const hello = (await client.call('HELLO', '3')) as Map<string, Value>
    t.equal(hello.get('id'), id)
    t.equal(fieldsOf(await client.call('CLIENT', 'INFO')).id, String(id))
    ids.push(id)
  }
  t.same(
    [...new Set(ids)].sort((a, b) => a - b),
    ids,
  )
})

t.test('CLIENT INFO tells what is known of a client, in fields that Redis has', async (t) => {
  const client = await rawClient(port)
  const redis = await rawClient(redisPort)
  t.teardown(client.destroy)
  t.teardown(redis.destroy)
  const name = randomName('client')
  await client.call('HELLO', '3', 'SETNAME', name)
  await client.call('CLIENT', 'SETINFO', 'LIB-NAME', 'my-client')
  await client.call('CLIENT', 'SETINFO', 'LIB-VER', '1.2.3')
  const raw = String(await client.command('CLIENT', 'INFO'))
  t.match(raw, /^=\d+\r\ntxt:id=\d+ .*\n\r\n$/, 'a verbatim string on RESP3, its line ended')
  const info = fieldsOf(await client.call('CLIENT', 'INFO'))
  t.match(info, {
    name,
    addr: `127.0.0.1:${client.socket.localPort}`,
    laddr: `127.0.0.1:${port}`,
    db: '0',
    cmd: 'client|info',
    user: 'default',
    resp: '3',
    'lib-name': 'my-client',
    'lib-ver': '1.2.3',
  })
  const theirs = Object.keys(fieldsOf(await redis.call('CLIENT', 'INFO')))
  // 7.0 does not know these three yet; later versions call them so.
  const later = ['resp', 'lib-name', 'lib-ver', 'pending']
  t.same(
    Object.keys(info).filter((field) => !theirs.includes(field) && !later.includes(field)),
    [],
  )
  t.match(String(await redis.command('CLIENT', 'INFO')), /^\$\d+\r\nid=\d+ .*\n\r\n$/)
  await client.call('HELLO', '2')
  t.match(String(await client.command('CLIENT', 'INFO')), /^\$\d+\r\nid=\d+ .*\n\r\n$/)
})

t.test('CLIENT LIST lists the clients of the proxy, and those that are asked for', async (t) => {
  const names = [randomName('client'), randomName('client')]
  const clients = await Promise.all(names.map(() => rawClient(port)))
  for (const client of clients) t.teardown(client.destroy)
  await Promise.all(clients.map((client, i) => client.call('CLIENT', 'SETNAME', names[i]!)))
  const [first, second] = clients as [(typeof clients)[0], (typeof clients)[0]]
  const [firstId, secondId] = [await first.call('CLIENT', 'ID'), await second.call('CLIENT', 'ID')]
  const list = async (...filter: (string | number)[]): Promise<string[]> =>
    String(await first.call('CLIENT', 'LIST', ...filter))
      .split('\n')
      .filter(Boolean)
      .map((line) => fieldsOf(line).name!)

  t.same((await list()).filter((name) => names.includes(name)).sort(), [...names].sort())
  t.same((await list('TYPE', 'normal')).length, (await list()).length)
  t.same(await list('ID', String(firstId), '999999999', String(secondId)), names)
  t.same(await list('type', 'PubSub'), [])
  second.end()
  await waitFor('the second client to be gone', async () => !(await list()).includes(names[1]!))
})

t.test('CLIENT LIST refuses as Redis does', async (t) => {
  await sameReplies(t, port, redisPort, [
    'CLIENT LIST TYPE what',
    'CLIENT LIST TYPE',
    'CLIENT LIST TYPE normal more',
    'CLIENT LIST ID',
    'CLIENT LIST ID x',
    'CLIENT LIST ID 999999999',
    'HELLO 3; CLIENT LIST ID 999999999',
    'CLIENT LIST WHAT',
    'CLIENT LIST WHAT x',
    'CLIENT INFO x',
  ])
})

t.test('CLIENT KILL ends the clients that it is told to, and counts them', async (t) => {
  const names = Array.from({ length: 4 }, () => randomName('client'))
  const clients = await Promise.all(names.map(() => rawClient(port)))
  for (const client of clients) t.teardown(client.destroy)
  const [killer, byAddress, byId, byName] = clients as [RawClient, RawClient, RawClient, RawClient]
  t.equal(
    String(await killer.command('CLIENT', 'KILL', `127.0.0.1:${byAddress.socket.localPort}`)),
    '+OK\r\n',
  )
  await byAddress.closed
  t.equal(await killer.call('CLIENT', 'KILL', 'ID', String(await byId.call('CLIENT', 'ID'))), 1)
  await byId.closed
  const address = `127.0.0.1:${byName.socket.localPort}`
  t.equal(await killer.call('CLIENT', 'KILL', 'ADDR', address, 'LADDR', '127.0.0.1:1'), 0)
  const filters = ['ADDR', address, 'LADDR', `127.0.0.1:${port}`, 'USER', 'default', 'TYPE', 'normal']
  t.equal(await killer.call('client', 'kill', ...filters), 1)
  await byName.closed
})

t.test('a client that kills itself has its reply, and those before it, before the end', async (t) => {
  for (const at of [port, redisPort]) {
    const client = await rawClient(at)
    t.teardown(client.destroy)
    const own = `127.0.0.1:${client.socket.localPort}`
    t.equal(await client.call('CLIENT', 'KILL', 'ADDR', own), 0, 'SKIPME is yes by default')
    await client.send(
      Buffer.concat([
        encode('GET', 'no:such:key'),
        encode('CLIENT', 'KILL', 'ADDR', own, 'SKIPME', 'no'),
        encode('PING'),
      ]),
    )
    await client.closed
    t.equal(String(client.unread()), '$-1\r\n:1\r\n')
  }
})

t.test('CLIENT KILL refuses as Redis does', async (t) => {
  await sameReplies(t, port, redisPort, [
    'CLIENT KILL',
    'CLIENT KILL 192.0.2.1:1',
    'CLIENT KILL ID 999999999',
    'CLIENT KILL ID 0',
    'CLIENT KILL ID x',
    'CLIENT KILL ID 999999999 ADDR',
    'CLIENT KILL TYPE what',
    'CLIENT KILL TYPE pubsub',
    'CLIENT KILL USER nobody',
    'CLIENT KILL ID 999999999 SKIPME maybe',
    'CLIENT KILL WHAT x',
    'HELLO 3; CLIENT KILL ADDR 192.0.2.1:1',
  ])
})
