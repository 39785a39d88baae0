// Users of the proxy and their rules: held against a real Redis with the same rules, and for what Redis has not.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { UserRules } from '../../src/commands/access.ts'
import { type ConfigError, loadConfig } from '../../src/config.ts'
import { ownCluster, ownRedis, randomName, waitFor } from '../fixtures/cluster.ts'
import { startTestProxy } from '../fixtures/proxy.ts'
import { type RawClient, rawClient } from '../fixtures/raw-client.ts'

const PASSWORD = 'a long and random password'
const HASH = createHash('sha256').update(PASSWORD).digest('hex')

function user(name: string, rules: Partial<UserRules> = {}): UserRules {
  return { name, passwordSha256: [HASH], commands: '', keys: [], channels: [], events: [], ...rules }
}

async function connect(t: Test, port: number, name?: string): Promise<RawClient> {
  const client = await rawClient(port)
  t.teardown(client.destroy)
  if (name !== undefined) t.equal(await client.call('AUTH', name, PASSWORD), 'OK')
  return client
}

/** What a reply says of permission, in words that all versions of Redis have in common. */
function verdict(reply: Buffer): string {
  const text = reply.toString('latin1')
  if (!text.startsWith('-NOPERM')) return 'allowed'
  const command = /run the '([^']+)' command/.exec(text)?.[1]
  if (command !== undefined) return `not the command ${command}`
  return /channel/.test(text) ? 'not the channel' : /key/.test(text) ? 'not the key' : text
}

/** Rules, and commands that they are tried on. Keys begin with the name of the run. */
const RULES: [rules: Partial<UserRules>, commands: string[]][] = [
  [{}, ['PING', 'GET app:1', 'ACL WHOAMI', 'COMMAND COUNT', 'HELLO 3']],
  [
    { commands: '+@read -@dangerous +set', keys: ['~app:*'] },
    [
      'GET app:1',
      'GET other',
      'SET app:1 v',
      'SET other v',
      'MGET app:1 app:1',
      'MGET app:1 other',
      'KEYS *',
      'SCAN 0',
      'DEL app:1',
      'DBSIZE',
      'get app:',
      'GET ap',
      'OBJECT ENCODING app:1',
      'OBJECT ENCODING other',
    ],
  ],
  [
    { commands: '+@all -@dangerous -@scripting +keys', keys: ['~a?c', '~[x-z]*', '~\\**'] },
    [
      'SET abc 1',
      'SET ac 1',
      'SET yes 1',
      'SET Yes 1',
      'SET *s 1',
      'SET s 1',
      'KEYS a',
      'INFO server',
      'CLIENT LIST',
      'CLIENT ID',
      'EVAL return 0',
      'CONFIG GET save',
      'SORT x',
      'SORT x BY w_* GET d_*',
    ],
  ],
  [
    { commands: '+@all -config +config|get -client|list', keys: ['allkeys'], channels: ['&news.*'] },
    [
      'CONFIG GET save',
      'CONFIG RESETSTAT',
      'CLIENT LIST',
      'CLIENT INFO',
      'PUBLISH news.1 m',
      'PUBLISH other m',
      'SPUBLISH news.1 m',
      'SPUBLISH other m',
      'GET anything',
      'SUBSCRIBE news.1 other',
      'SSUBSCRIBE other',
      'PSUBSCRIBE n*',
      'PSUBSCRIBE news.1',
      // From here on it is a subscriber.
      'PSUBSCRIBE news.*',
    ],
  ],
  [
    {
      commands: '+@all -@all +get +eval +copy +blpop +xread +zunionstore +sort +memory',
      keys: ['~k1', '~k2'],
    },
    [
      'GET k1',
      'SET k1 v',
      'EVAL return 2 k1 k2',
      'EVAL return 2 k1 k3',
      'COPY k1 k2',
      'COPY k1 k3',
      'BLPOP k3 0.01',
      'XREAD COUNT 1 STREAMS k1 k3 0 0',
      'XREAD COUNT 1 STREAMS k1 k2 0 0',
      'ZUNIONSTORE k1 2 k2 k3',
      'ZUNIONSTORE k3 1 k2',
      'ZUNIONSTORE k1 1 k2',
      'SORT k1 STORE k3',
      'SORT k1 STORE k2',
      'MEMORY USAGE k1',
      'MEMORY USAGE k3',
    ],
  ],
  [
    { commands: 'allcommands nocommands +@string -set', keys: ['allkeys'] },
    ['GET a', 'SET a b', 'LPUSH l a'],
  ],
  [{ commands: '+@connection +@transaction' }, ['PING', 'ECHO a', 'SELECT 0', 'MULTI', 'GET a']],
]

t.test('rules mean what they mean in Redis', async (t) => {
  // One Redis behind and beside the proxy: what is the same key there is the same here.
  const redis = await ownRedis(t)
  const users = RULES.map(([rules], i) => user(`user-${i}`, rules))
  const direct = await connect(t, redis.port)
  for (const { name, commands, keys, channels } of users) {
    const words = [...keys, ...channels, ...commands.split(' ').filter(Boolean)]
    t.equal(
      await direct.call('ACL', 'SETUSER', name, 'on', 'resetchannels', `#${HASH}`, ...words),
      'OK',
      name,
    )
  }
  const proxy = await startTestProxy(t, { upstream: [redis.address], users })
  for (const [i, [rules, commands]] of RULES.entries()) {
    const [ours, theirs] = [
      await connect(t, proxy.port, `user-${i}`),
      await connect(t, redis.port, `user-${i}`),
    ]
    for (const command of commands) {
      const words = command.split(' ')
      const expected = verdict(await theirs.command(...words))
      t.equal(verdict(await ours.command(...words)), expected, `${JSON.stringify(rules)}: ${command}`)
    }
  }
})

t.test('refusals have the words of Redis 7.2 and later', async (t) => {
  const { port } = await startTestProxy(t, {
    users: [user('alice', { commands: '+get +publish +tq.pos', keys: ['~app:*'] })],
  })
  const alice = await connect(t, port, 'alice')
  for (const [command, reply] of [
    [['SET', 'app:1', 'v'], "-NOPERM User alice has no permissions to run the 'set' command\r\n"],
    [['CONFIG', 'GET', 'x'], "-NOPERM User alice has no permissions to run the 'config|get' command\r\n"],
    [['GET', 'x'], '-NOPERM No permissions to access a key\r\n'],
    [['PUBLISH', 'x', 'y'], '-NOPERM No permissions to access a channel\r\n'],
    [['TQ.POS', 'e', 't'], '-NOPERM No permissions to access an event\r\n'],
    [['NOSUCH', 'x'], "-ERR unknown command 'NOSUCH', with args beginning with: 'x' \r\n"],
  ] as const) {
    t.equal(String(await alice.command(...command)), reply)
  }
})

t.test('TQ commands have rules of their own', async (t) => {
  const legacy = randomName('legacy')
  const { port } = await startTestProxy(t, {
    users: [
      user('app', { commands: '+tq.* -tq.p* +tq.pos', events: ['concert-*'] }),
      user('reader', { commands: '+@tq -@write', events: ['*'] }),
      user('redis', { commands: '+@all -@tq', keys: ['allkeys'] }),
      user('mover', { commands: '+tq.migrate', events: ['concert-*'], keys: [`~${legacy}{*`] }),
    ],
  })
  const event = `concert-${randomName()}`
  const app = await connect(t, port, 'app')
  t.match(await app.call('TQ.ENQUEUE', event, 'ann', 'a'), ['QUEUED', String, 1])
  t.equal(await app.call('TQ.POS', event, 'a'), 1)
  t.match(await app.call('TQ.POS', `x${event}`, 'a'), /NOPERM No permissions to access an event/)
  t.match(
    await app.call('TQ.PURGE', event),
    /NOPERM User app has no permissions to run the 'tq.purge' command/,
  )
  t.match(await app.call('GET', event), /'get' command/)
  t.match(await app.call('TQ.HELP', 'POS'), [/TQ\.POS/])
  t.match(await app.call('MULTI'), /'multi' command/)

  const reader = await connect(t, port, 'reader')
  t.equal(await reader.call('TQ.POS', event, 'a'), 1)
  t.match(await reader.call('TQ.LEAVE', event, 'a'), /'tq.leave' command/)
  t.match(await reader.call('TQ.EVENTS'), [String, Array])

  const redis = await connect(t, port, 'redis')
  t.equal(await redis.call('SET', randomName(), 'v'), 'OK')
  t.match(await redis.call('TQ.POS', event, 'a'), /'tq.pos' command/)
  t.equal(await redis.call('MULTI'), 'OK')
  t.match(await redis.call('TQ.POS', event, 'a'), /'tq.pos' command/, 'inside MULTI as well')
  t.match(await redis.call('EXEC'), /^Error: EXECABORT/)

  const mover = await connect(t, port, 'mover')
  t.match(await mover.call('TQ.MIGRATE', event, 'DRYRUN'), [0, 0, 0], 'the old queue of the event itself')
  t.match(await mover.call('TQ.MIGRATE', event, 'FROM', `${legacy}{${event}}`, 'DRYRUN'), [0, 0, 0])
  t.match(await mover.call('TQ.MIGRATE', event, 'from', `other{${event}}`), /No permissions to access a key/)
})

t.test('logging in', async (t) => {
  const second = createHash('sha256').update('second').digest('hex')
  const users = [
    user('alice', { passwordSha256: [HASH, second], commands: '+@all', keys: ['allkeys'] }),
    user('bob'),
  ]
  const proxy = await startTestProxy(t, { users, requirepass: 'sesame' })
  const attempts: [string[], RegExp | string][] = [
    [['GET', 'a'], /NOAUTH Authentication required\.$/],
    [['AUTH', 'alice', 'wrong'], /^Error: WRONGPASS invalid username-password pair or user is disabled\.$/],
    [['AUTH', 'nobody', PASSWORD], /^Error: WRONGPASS/],
    [['AUTH', PASSWORD], /^Error: WRONGPASS/],
    [['AUTH', 'alice', HASH], /^Error: WRONGPASS/],
    [['AUTH', 'Alice', PASSWORD], /^Error: WRONGPASS/],
    [['HELLO', '2', 'AUTH', 'bob', 'wrong'], /^Error: WRONGPASS/],
    [['GET', 'a'], /NOAUTH/],
    [['AUTH', 'alice', PASSWORD], 'OK'],
    [['ACL', 'WHOAMI'], 'alice'],
    [['AUTH', 'bob', 'wrong'], /^Error: WRONGPASS/],
    [['ACL', 'WHOAMI'], 'alice'],
    [['AUTH', 'sesame'], 'OK'],
    [['ACL', 'WHOAMI'], 'default'],
    [['AUTH', 'alice', 'second'], 'OK'],
    [['ACL', 'WHOAMI'], 'alice'],
    [['RESET'], 'RESET'],
    [['GET', 'a'], /NOAUTH/],
    [['AUTH', 'default', 'sesame'], 'OK'],
  ]
  const client = await connect(t, proxy.port)
  for (const [words, expected] of attempts)
    t.match(String(await client.call(...words)), expected, words.join(' '))
  const failures = proxy.log.filter(({ message }) => message === 'wrong password')
  t.equal(failures.length, 7)
  t.match(String(await client.call('INFO', 'tq')), /\r\ntq_auth_failures:7\r\n/)

  t.test('failures are logged with the address, and with names that exist', async (t) => {
    for (const { fields } of failures) t.match(String(fields.address), /^127\.0\.0\.1:\d+$/)
    t.same(
      failures.map(({ fields }) => fields.user),
      ['alice', undefined, 'default', 'alice', undefined, 'bob', 'bob'],
    )
  })

  t.test('no password and no hash is ever in the log', async (t) => {
    const log = JSON.stringify(proxy.log)
    for (const secret of [PASSWORD, HASH, second, 'sesame', 'wrong']) {
      t.notOk(log.replaceAll('wrong password', '').includes(secret))
    }
  })

  t.test('HELLO logs in and switches at once', async (t) => {
    const other = await connect(t, proxy.port)
    t.match(String(await other.command('HELLO', 3, 'AUTH', 'bob', PASSWORD, 'SETNAME', 'b')), /^%7\r\n/)
    t.match(await other.call('GET', 'a'), /User bob has no permissions/)
    t.match(await client.call('CLIENT', 'LIST'), / name=b .* user=bob resp=3 /)
    t.equal(await client.call('CLIENT', 'KILL', 'USER', 'bob'), 1)
    await other.closed
    t.match(await client.call('CLIENT', 'KILL', 'USER', 'nobody'), /No such user 'nobody'/)
  })
})

t.test('with users and without requirepass, the default user is off', async (t) => {
  const { port } = await startTestProxy(t, { users: [user('alice', { commands: '+ping +acl' })] })
  const client = await connect(t, port)
  t.match(await client.call('PING'), /NOAUTH/)
  t.match(await client.call('AUTH', 'default', ''), /WRONGPASS/)
  t.match(await client.call('AUTH', ''), /WRONGPASS/)
  t.equal(await client.call('AUTH', 'alice', PASSWORD), 'OK')
  t.equal(await client.call('PING'), 'PONG')
  t.match(await client.call('ACL', 'LIST'), [/^user default off /, /^user alice on /])
})

t.test('ACL shows the users of the proxy to who may see them', async (t) => {
  const { port } = await startTestProxy(t, {
    requirepass: 'sesame',
    users: [
      user('alice', { commands: '+@read +acl -@admin', keys: ['~a*', '~b*'], events: ['concert-*'] }),
      user('root', { commands: '+@all' }),
    ],
  })
  const default_ = createHash('sha256').update('sesame').digest('hex')
  const root = await connect(t, port, 'root')
  t.same(await root.call('ACL', 'USERS'), ['default', 'alice', 'root'])
  t.same(await root.call('ACL', 'LIST'), [
    `user default on #${default_} ~* &* -@all +@all events:*`.replace('-@all ', ''),
    `user alice on #${HASH} ~a* ~b* resetchannels -@all +@read +acl -@admin events:concert-*`,
    `user root on #${HASH} resetkeys resetchannels -@all +@all events:`,
  ])
  t.same(await root.call('ACL', 'GETUSER', 'nobody'), null)
  t.same(await root.call('ACL', 'GETUSER', 'alice'), [
    ...['flags', ['on'], 'passwords', [HASH], 'commands', '-@all +@read +acl -@admin'],
    ...['keys', '~a* ~b*', 'channels', '', 'selectors', [], 'events', 'concert-*'],
  ])
  const names = (await root.call('ACL', 'CAT')) as string[]
  t.ok(names.includes('tq') && names.includes('read'))
  t.ok(((await root.call('ACL', 'CAT', 'tq')) as string[]).includes('tq.enqueue'))
  const read = (await root.call('ACL', 'CAT', 'read')) as string[]
  t.ok(read.includes('get') && read.includes('tq.pos') && !read.includes('tq.enqueue'))
  t.match(await root.call('ACL', 'CAT', 'nosuch'), /Unknown category/)
  t.match(await root.call('ACL', 'SETUSER', 'x'), /NOPERM 'acl setuser' is not allowed through tq-proxy/)

  const alice = await connect(t, port, 'alice')
  t.equal(await alice.call('ACL', 'WHOAMI'), 'alice')
  for (const words of [['LIST'], ['USERS'], ['GETUSER', 'alice']]) {
    t.match(await alice.call('ACL', ...words), /^Error: NOPERM User alice/)
  }

  const open = await connect(t, (await startTestProxy(t)).port)
  t.same(await open.call('ACL', 'LIST'), ['user default on nopass ~* &* +@all events:*'])
  t.equal(await open.call('ACL', 'WHOAMI'), 'default')
})

t.test('while the upstream is away, rules hold for what is answered here', async (t) => {
  const { port } = await startTestProxy(t, {
    upstream: ['127.0.0.1:1'],
    waitUntilReady: false,
    users: [
      user('alice', { commands: '+@all -@dangerous', keys: ['allkeys'] }),
      user('bob', { commands: '+@connection' }),
    ],
  })
  const alice = await connect(t, port, 'alice')
  t.equal(await alice.call('PING'), 'PONG')
  t.match(await alice.call('CLIENT', 'LIST'), /'client\|list' command/)
  t.match(await alice.call('GET', 'a'), /CLUSTERDOWN/)
  const bob = await connect(t, port, 'bob')
  t.equal(await bob.call('PING'), 'PONG')
  t.match(await bob.call('ACL', 'LIST'), /'acl\|list' command/)
})

t.test('rules that speak of what is not there are told, once', async (t) => {
  const proxy = await startTestProxy(t, {
    users: [user('alice', { commands: '+@all -@dangerus -flushal +config|gett +tq.nosuch +@tq -tq.po*' })],
  })
  const told = proxy.log.filter(({ level }) => level === 'error')
  t.equal(told.length, 1)
  t.same(told[0]!.fields, { user: 'alice', words: ['@dangerus', 'flushal', 'config|gett', 'tq.nosuch'] })
})

t.test('the configuration file', async (t) => {
  const folder = t.testdir({})
  const load = (text: string) => {
    const file = join(folder, `${randomName()}.yaml`)
    writeFileSync(file, text)
    return loadConfig({}, {}, file)
  }
  const config = load(`users:
  - name: app
    passwordSha256: "#${HASH.toUpperCase()}"
    commands: +@read -@admin +tq.*
    keys: ["~app:*"]
    events: concert-* match-*
`)
  t.same(config.users, [
    { ...user('app'), commands: '+@read -@admin +tq.*', keys: ['~app:*'], events: ['concert-*', 'match-*'] },
  ])
  for (const [text, sentence] of [
    ['users: alice', /^users in .*: the value given is not allowed, it takes a list of users/],
    [`users: [{name: a, passwordSha256: ${PASSWORD}}]`, /entry 1 \(a\), passwordSha256: takes the SHA-256/],
    [`users: [{name: a, password: ${PASSWORD}}]`, /entry 1 \(a\), passwordSha256: takes /],
    [`users: [{name: a, passwordSha256: ${HASH}, key: x}]`, /entry 1 \(a\): Unrecognized key: "key"/],
    [`users: [{name: default, passwordSha256: ${HASH}}]`, /entry 1 \(default\), name: .* requirepass$/],
    [
      `users: [{name: a, passwordSha256: ${HASH}, commands: +get set}]`,
      /entry 1 \(a\): "set" is no rule, commands take /,
    ],
    [
      `users: [{name: a, passwordSha256: ${HASH}, keys: ["app:*"]}]`,
      /entry 1 \(a\): "app:\*" is no rule, keys take ~glob or allkeys$/,
    ],
    [`users: [{name: a, passwordSha256: ${HASH}, keys: ["%R~app:*"]}]`, /"%R~app:\*" is no rule/],
    [
      `users: [{name: a, passwordSha256: ${HASH}}, {name: a, passwordSha256: ${HASH}}]`,
      /two users have one name/,
    ],
  ] as const) {
    let problems: readonly string[] = []
    try {
      load(text)
    } catch (error) {
      problems = (error as ConfigError).problems
    }
    t.ok(
      problems.some((problem) => sentence.test(problem)),
      `${text}: ${problems.join(' / ')}`,
    )
    t.notOk(
      problems.some((problem) => problem.includes(PASSWORD)),
      'what may be a password is not repeated',
    )
  }
})

t.test('passwords are compared in constant time', (t) => {
  // No test can time this soundly; it can see that nothing else compares.
  const source = readFileSync(fileURLToPath(new URL('../../src/commands/users.ts', import.meta.url)), 'utf8')
  t.match(source, /timingSafeEqual\(hash, digest\)/)
  t.notMatch(source, /\.equals\(|===\s*(password|digest)|Buffer\.compare/)
  t.end()
})

t.test('the examples in docs/security.md are good ones', async (t) => {
  const page = readFileSync(fileURLToPath(new URL('../../docs/security.md', import.meta.url)), 'utf8')
  const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text!)
  t.equal(examples.length, 3)
  const base = 'tlsCert: a\ntlsKey: b\n'
  for (const text of examples) {
    const file = join(t.testdir({}), 'example.yaml')
    writeFileSync(file, (text.includes('tlsCert:') ? text : base + text).replaceAll('…', HASH))
    t.doesNotThrow(() => loadConfig({}, {}, file), text)
  }

  t.test('the user for the proxy serves TQ commands and ordinary ones on a cluster', async (t) => {
    const [, rules] = /ACL SETUSER tq-proxy on >… (.*)\n/.exec(page)!
    const cluster = await ownCluster(t)
    for (const { port } of cluster.nodes) {
      const node = await connect(t, port)
      const words = ['on', '>upstream secret', ...rules!.split(' ')]
      t.equal(await node.call('ACL', 'SETUSER', 'tq-proxy', ...words), 'OK')
      t.equal(await node.call('ACL', 'SETUSER', 'default', 'off'), 'OK')
    }
    const proxy = await startTestProxy(t, {
      upstream: [cluster.addresses[0]!],
      upstreamUsername: 'tq-proxy',
      upstreamPassword: 'upstream secret',
    })
    const client = await connect(t, proxy.port)
    for (let i = 0; i < 10; i++) {
      const event = randomName()
      t.match(await client.call('TQ.ENQUEUE', event, 'ann', 'a'), ['QUEUED', String, 1])
      t.equal(await client.call('SET', randomName(), 'v'), 'OK')
    }
    t.match(await client.call('INFO'), /tq_upstream_masters:3\r/)
    t.equal(String(await client.command('HELLO', 3)).slice(0, 4), '%7\r\n')
    t.equal(await client.call('SET', randomName(), 'v'), 'OK')
    t.match(await client.call('FLUSHALL'), /NOPERM/)
  })
})

t.test('ACL users of the upstream', async (t) => {
  const redis = await ownRedis(t)
  const direct = await connect(t, redis.port)
  await direct.call('ACL', 'SETUSER', 'proxy', 'on', '>upstream secret', '~*', '&*', '+@all', '-flushall')
  await direct.call('ACL', 'SETUSER', 'default', 'off')
  const settings = {
    upstream: [redis.address],
    upstreamUsername: 'proxy',
    upstreamPassword: 'upstream secret',
  }
  const proxy = await startTestProxy(t, settings)
  const client = await connect(t, proxy.port)
  const key = randomName()
  t.equal(await client.call('SET', key, 'x'.repeat(2_000_000)), 'OK', 'over a connection of its own')
  t.match(await client.call('TQ.ENQUEUE', randomName(), 'ann', 'a'), ['QUEUED', String, 1])
  t.match(
    await client.call('FLUSHALL'),
    /^Error: NOPERM/,
    'what the upstream refuses the proxy, it passes on',
  )
  t.equal(String(await client.command('HELLO', 3)).slice(0, 4), '%7\r\n')
  t.equal(String(await client.call('GET', key)).length, 2_000_000)

  const wrong = await startTestProxy(t, {
    ...settings,
    upstreamPassword: 'other secret',
    waitUntilReady: false,
  })
  await waitFor('a failure', () => wrong.log.some(({ fields }) => /WRONGPASS/.test(JSON.stringify(fields))))
  t.notOk(JSON.stringify([...proxy.log, ...wrong.log]).includes('secret'))
})

t.test('administration', async (t) => {
  const refused = await connect(t, (await startTestProxy(t)).port)
  t.match(
    await refused.call('SLOWLOG', 'LEN'),
    /^Error: NOPERM 'slowlog len' is not allowed through tq-proxy$/,
  )
  const cluster = await ownCluster(t)
  const proxy = await startTestProxy(t, {
    upstream: [...cluster.addresses],
    allowAdmin: true,
    users: [
      user('root', { commands: '+@all', keys: ['allkeys'] }),
      user('app', { commands: '+@all -@admin' }),
    ],
  })
  const root = await connect(t, proxy.port, 'root')

  t.test('goes to all masters where it is allowed', async (t) => {
    t.match(String(await root.call('SLOWLOG', 'LEN')), /^\d+$/)
    const value = '123456'
    t.equal(await root.call('CONFIG', 'SET', 'slowlog-log-slower-than', value), 'OK')
    for (const { port } of cluster.nodes) {
      const node = await connect(t, port)
      t.same(await node.call('CONFIG', 'GET', 'slowlog-log-slower-than'), ['slowlog-log-slower-than', value])
    }
    t.match(await root.call('CONFIG', 'SET', 'nosuch', '1'), /^Error: ERR /)
  })

  t.test('never to one node, nor about the connection that all clients share', async (t) => {
    for (const command of [
      'SHUTDOWN NOSAVE',
      'REPLICAOF NO ONE',
      'SLAVEOF NO ONE',
      'FAILOVER',
      'CLUSTER RESET',
      'CLUSTER FAILOVER',
      'SYNC',
      'PSYNC ? -1',
      'REPLCONF x y',
      'MONITOR',
      'ACL SETUSER x',
      'CLIENT PAUSE 1000',
    ]) {
      t.match(
        String(await root.call(...command.split(' '))),
        /^Error: (NOPERM|ERR) .*(not allowed|CLIENT)/,
        command,
      )
    }
  })

  t.test('and not for users without the category', async (t) => {
    const app = await connect(t, proxy.port, 'app')
    t.match(await app.call('SLOWLOG', 'LEN'), /User app has no permissions to run the 'slowlog\|len' command/)
  })
})
