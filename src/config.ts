// Every setting once: its flag, variable, place in the file, type, default, unit and meaning.

import { existsSync, readFileSync } from 'node:fs'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { problemsOf, type UserRules } from './commands/access.ts'

const KB = 1024
const MB = 1024 * KB

/** A schema together with the words for what it takes. */
interface Kind<T> {
  schema: z.ZodType<T>
  allowed: string
  /** How the value is called in `--flag <value>`. */
  placeholder: string
}

function integer(min: number, max: number): Kind<number> {
  const digits = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
  return {
    schema: z.union([z.number(), digits]).pipe(z.int().min(min).max(max)),
    allowed: `a whole number from ${min} to ${max}`,
    placeholder: 'number',
  }
}

function bytes(min: number, max: number): Kind<number> {
  const units: Record<string, number> = { '': 1, kb: KB, mb: MB, gb: 1024 * MB }
  const text = z
    .string()
    .regex(/^\d{1,12}(kb|mb|gb)?$/i)
    .transform((value) => Number.parseInt(value, 10) * units[value.replace(/^\d+/, '').toLowerCase()])
  return {
    schema: z.union([z.number(), text]).pipe(z.int().min(min).max(max)),
    allowed: `a size from ${size(min)} to ${size(max)}, such as 256mb`,
    placeholder: 'size',
  }
}

/** Bytes in the largest unit that divides them. */
export function size(value: number): string {
  if (value > 0 && value % (1024 * MB) === 0) return `${value / (1024 * MB)}gb`
  if (value > 0 && value % MB === 0) return `${value / MB}mb`
  if (value > 0 && value % KB === 0) return `${value / KB}kb`
  return String(value)
}

const yesNo: Kind<boolean> = {
  schema: z.union([
    z.boolean(),
    z
      .string()
      .regex(/^(yes|no|true|false|on|off|1|0)$/i)
      .transform((value) => /^(yes|true|on|1)$/i.test(value)),
  ]),
  allowed: 'yes or no',
  placeholder: 'yes|no',
}

function oneOf<const W extends readonly [string, ...string[]]>(words: W): Kind<W[number]> {
  return { schema: z.enum(words), allowed: `one of ${words.join(', ')}`, placeholder: words.join('|') }
}

function text(allowed: string, placeholder: string, pattern: RegExp): Kind<string> {
  return {
    schema: z.union([z.string(), z.number().transform(String)]).pipe(z.string().regex(pattern)),
    allowed,
    placeholder,
  }
}

const optionalText: Kind<string | undefined> = {
  schema: z.union([z.string().min(1), z.number().transform(String)]).optional(),
  allowed: 'a text that is not empty',
  placeholder: 'text',
}

const clientAuth: Kind<'no' | 'optional' | 'required' | null> = oneOf(['no', 'optional', 'required'])

const rollout: Kind<number | null> = {
  schema: z
    .union([
      z.number(),
      z
        .string()
        .regex(/^\d{1,3}$/)
        .transform(Number),
    ])
    .pipe(z.int().min(0).max(100)),
  allowed: 'a whole number from 0 to 100',
  placeholder: 'percent',
}

const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^\s:,]+):(\d{1,5})$/

function isAddress(value: string): boolean {
  const match = ADDRESS.exec(value)
  return match !== null && Number(match[2]) <= 65535
}

const address: Kind<string> = {
  schema: z.string().refine(isAddress),
  allowed: 'host:port, such as 127.0.0.1:6380 or [::1]:6380',
  placeholder: 'host:port',
}

const addresses: Kind<string[]> = {
  schema: z
    .union([
      z.array(z.string()),
      z.string().transform((value) => value.split(',').map((part) => part.trim())),
    ])
    .pipe(z.array(z.string().refine(isAddress)).min(1)),
  allowed: 'one or more host:port, separated by commas',
  placeholder: 'host:port,…',
}

/** A list, or one text with spaces between its words. */
const wordList = z
  .union([
    z.array(z.string().regex(/^\S+$/)),
    z.string().transform((text) => text.split(/\s+/).filter(Boolean)),
  ])
  .default([])

const sha256 = z
  .string()
  .regex(/^#?[0-9a-f]{64}$/i)
  .transform((hex) => hex.replace('#', '').toLowerCase())

const userRules: z.ZodType<UserRules> = z
  .strictObject({
    name: z
      .string()
      .regex(/^[!-~]{1,64}$/)
      .refine((name) => name !== 'default', 'the password of the user default is requirepass'),
    passwordSha256: z.union([sha256.transform((hash) => [hash]), z.array(sha256).min(1)], {
      error: 'takes the SHA-256 of a password as 64 hex digits, or a list of them',
    }),
    commands: z.string().default(''),
    keys: wordList,
    channels: wordList,
    events: wordList,
  })
  .superRefine((rules, context) => {
    for (const message of problemsOf(rules)) context.addIssue({ code: 'custom', message })
  })

const users: Kind<UserRules[]> = {
  schema: z
    .array(userRules)
    .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'two users have one name'),
  allowed: 'a list of users with name, passwordSha256, commands, keys, channels, events',
  placeholder: 'list',
}

/** One setting. */
export interface Setting<T = unknown> extends Kind<T> {
  default: T
  /** One sentence for --help and the docs. */
  about: string
  secret?: true
  /** Neither a flag nor a variable could hold it. */
  fileOnly?: true
}

function setting<T>(kind: Kind<T>, value: NoInfer<T>, about: string, secret?: true): Setting<T> {
  return { ...kind, default: value, about, ...(secret ? { secret } : {}) }
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** All settings of a serving proxy, by the name they have in the configuration file. */
export const SETTINGS = {
  listen: setting(address, '127.0.0.1:6380', 'Where clients connect. Port 0 takes a free one.'),
  upstream: setting(
    addresses,
    ['127.0.0.1:7000'],
    'Some nodes of the Redis Cluster, or one standalone Redis; which of the two is found out.',
  ),
  upstreamUsername: setting(optionalText, undefined, 'The ACL user at the upstream.'),
  upstreamPassword: setting(optionalText, undefined, 'The password at the upstream.', true),
  requirepass: setting(
    optionalText,
    undefined,
    'The password that clients have to give (AUTH, HELLO).',
    true,
  ),
  protectedMode: setting(
    yesNo,
    true,
    'Without a password, refuse clients that do not come over the loopback interface.',
  ),
  users: {
    ...setting(
      users,
      [],
      'Further users with rules of what they may do: see security.md. Where there are any, a client has to log in.',
      true,
    ),
    fileOnly: true,
  },
  allowAdmin: setting(
    yesNo,
    false,
    'Let commands of administration (CONFIG SET, SLOWLOG, DEBUG …) pass; they go to all masters.',
  ),
  tlsCert: setting(
    optionalText,
    undefined,
    'The certificate that clients see, with its chain, as PEM file; with it and tlsKey the port speaks TLS. Read again when it changes, and on SIGHUP.',
  ),
  tlsKey: setting(optionalText, undefined, 'The key to tlsCert, as PEM file.'),
  tlsClientCa: setting(
    optionalText,
    undefined,
    'The authorities that sign the certificates of clients, as PEM file.',
  ),
  tlsClientAuth: setting(
    clientAuth,
    null,
    'Whether clients have to show a certificate of tlsClientCa, or may; required where tlsClientCa is set, else no.',
  ),
  upstreamTls: setting(yesNo, false, 'Speak TLS with the upstream.'),
  upstreamTlsCa: setting(
    optionalText,
    undefined,
    'The authorities that sign the certificates of the nodes, as PEM file. Those that Node.js knows, if not set.',
  ),
  upstreamTlsCert: setting(
    optionalText,
    undefined,
    'The certificate that the proxy shows to the nodes, as PEM file.',
  ),
  upstreamTlsKey: setting(optionalText, undefined, 'The key to upstreamTlsCert, as PEM file.'),
  upstreamTlsServerName: setting(
    optionalText,
    undefined,
    'The name that the certificate of every node has to be for. The address that it is reached at, if not set.',
  ),
  upstreamTlsVerify: setting(
    yesNo,
    true,
    'Whether the certificates of the nodes are checked. Without, anybody can be the upstream.',
  ),
  keyPrefix: setting(
    text('1 to 64 bytes without braces or spaces', 'text', /^[^\s{}]{1,64}$/),
    'tq:',
    'What the keys of every event begin with; all proxies of one upstream need the same.',
  ),
  passKeys: setting(
    optionalText,
    undefined,
    'A JWK Set file; with one, passes are signed (JWS) by its first key and verified by all. Without, they are random.',
  ),
  journalDefault: setting(
    oneOf(['event', 'user', 'none']),
    'event',
    'The journal of new events: one stream, the gateway’s stream per user besides, or none.',
  ),
  streamsRollout: setting(
    rollout,
    null,
    'Percent of new events, chosen by a hash of their id, that get the journal; the others get none. All, if not set.',
  ),
  maxClients: setting(integer(1, 1_000_000), 10_000, 'Client connections at the same time.'),
  maxPipelineDepth: setting(
    integer(1, 1_000_000),
    10_000,
    'Commands of one client without a reply; while there are as many, nothing more is read from it.',
  ),
  maxPipelineBytes: setting(
    bytes(64 * KB, 4096 * MB),
    64 * MB,
    'Bytes of the commands of one client without a reply; while there are as many, nothing more is read from it.',
  ),
  clientOutputBufferLimit: setting(
    bytes(64 * KB, 64 * 1024 * MB),
    256 * MB,
    'Bytes of replies that one client has not taken; a client with more is disconnected.',
  ),
  maxArguments: setting(integer(16, 1_048_576), 1_048_576, 'Arguments of one command.'),
  maxBulkBytes: setting(bytes(KB, 512 * MB), 512 * MB, 'Bytes of one argument.'),
  maxRequestBytes: setting(bytes(64 * KB, 4096 * MB), 1024 * MB, 'Bytes of one whole command.'),
  connectTimeoutMs: setting(integer(10, 60_000), 2000, 'How long connecting to a node may take, in ms.'),
  upstreamTimeoutMs: setting(
    integer(50, 3_600_000),
    10_000,
    'How long a node that owes replies may stay silent until its connection is given up, in ms.',
  ),
  retryDeadlineMs: setting(
    integer(0, 600_000),
    3000,
    'How long a command is sent again while the cluster is not well, in ms; then its client gets the error.',
  ),
  maxRetrying: setting(
    integer(0, 1_000_000),
    20_000,
    'Commands of all clients that may wait to be sent again; beyond, they fail at once.',
  ),
  topologyRefreshMs: setting(
    integer(100, 3_600_000),
    5000,
    'How often the slots of the cluster are read although nothing seems to have changed, in ms.',
  ),
  drainTimeoutMs: setting(
    integer(0, 600_000),
    10_000,
    'How long a stopping proxy waits for the replies that are still owed, in ms.',
  ),
  logLevel: setting(oneOf(LOG_LEVELS), 'info', 'The least level that is logged.'),
  logFormat: setting(
    oneOf(['auto', 'json', 'pretty']),
    'auto',
    'JSON lines, or for people; auto: for people on a terminal.',
  ),
} as const

type Settings = typeof SETTINGS
export type SettingName = keyof Settings

/** The values of all settings. */
export type Config = { -readonly [K in SettingName]: Settings[K] extends Setting<infer T> ? T : never }

/** `maxClients` as a flag: `max-clients`. */
export function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** `maxClients` as a variable: `TQ_MAX_CLIENTS`. */
export function variableOf(name: string): string {
  return `TQ_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** Values that are wrong: one sentence each. */
export class ConfigError extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/**
 * Puts the configuration together: flag before variable before file before default.
 * @param flags values by setting name, as the command line gave them
 * @param environment the process's variables
 * @param file path of a YAML or JSON file; else that of the variable TQ_CONFIG, if it is set
 * @throws ConfigError with one sentence for each value that is wrong
 */
export function loadConfig(
  flags: Readonly<Record<string, unknown>> = {},
  environment: NodeJS.ProcessEnv = process.env,
  file: string | undefined = environment.TQ_CONFIG,
): Config {
  const problems: string[] = []
  const fromFile = file === undefined ? {} : readFile(file, problems)
  for (const key of Object.keys(fromFile)) {
    if (!Object.hasOwn(SETTINGS, key)) problems.push(`${file}: there is no setting ${JSON.stringify(key)}`)
  }
  const config: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries<Setting>(SETTINGS)) {
    const { schema, allowed, secret, fileOnly, default: value } = setting
    const variable = variableOf(name)
    const [given, source] = fileOnly
      ? [fromFile[name], `${name} in ${file}`]
      : flags[name] !== undefined
        ? [flags[name], `--${flagOf(name)}`]
        : environment[variable] !== undefined
          ? [environment[variable], variable]
          : [fromFile[name], `${name} in ${file}`]
    if (given === undefined || given === null) {
      config[name] = value
      continue
    }
    const result = schema.safeParse(given)
    if (result.success) config[name] = result.data
    else if (fileOnly && Array.isArray(given)) {
      for (const issue of result.error.issues) problems.push(`${source}: ${entrySentence(given, issue)}`)
    } else {
      const shown = secret ? 'the value given' : JSON.stringify(given)
      problems.push(`${source}: ${shown} is not allowed, it takes ${allowed}`)
    }
  }
  applyGatewayFlags(config, environment, problems)
  if (problems.length === 0) problems.push(...contradictions(config as Config))
  if (problems.length > 0) throw new ConfigError(problems)
  return config as Config
}

/** What is wrong with one entry of a list; values are not repeated, they may be passwords. */
function entrySentence(list: readonly unknown[], { path, message }: z.core.$ZodIssue): string {
  const [index, field] = path
  if (typeof index !== 'number') return message
  const name = (list[index] as { name?: unknown } | null)?.name
  return `entry ${index + 1}${typeof name === 'string' ? ` (${name})` : ''}${field === undefined ? '' : `, ${String(field)}`}: ${message}`
}

/** Settings that make no sense together; a sentence for each. */
function contradictions(config: Config): string[] {
  const problems: string[] = []
  const need = (given: SettingName, wanted: SettingName): void => {
    if (config[given] !== undefined && config[wanted] === undefined) {
      problems.push(`${given} is of no use without ${wanted}: set both or neither`)
    }
  }
  need('tlsCert', 'tlsKey')
  need('tlsKey', 'tlsCert')
  need('tlsClientCa', 'tlsCert')
  need('upstreamTlsCert', 'upstreamTlsKey')
  need('upstreamTlsKey', 'upstreamTlsCert')
  if (config.tlsClientAuth !== null && config.tlsClientAuth !== 'no') need('tlsClientAuth', 'tlsClientCa')
  for (const name of ['upstreamTlsCa', 'upstreamTlsCert', 'upstreamTlsServerName'] as const) {
    if (config[name] !== undefined && !config.upstreamTls) {
      problems.push(`${name} is of no use without upstreamTls: set it to yes, or leave both out`)
    }
  }
  if (!config.upstreamTlsVerify && !config.upstreamTls) {
    problems.push('upstreamTlsVerify is of no use without upstreamTls: set it to yes, or leave both out')
  }
  return problems
}

/**
 * Understands the flags of the gateway whose place the proxy takes. FEATURE_STREAMS_QUEUE counts where the
 * rollout is not set: true gives every new event the journal, false none. FEATURE_LUA_ATOMIC can only be true:
 * every TQ command is one script.
 */
function applyGatewayFlags(
  config: Record<string, unknown>,
  environment: NodeJS.ProcessEnv,
  problems: string[],
): void {
  for (const name of ['FEATURE_STREAMS_QUEUE', 'FEATURE_LUA_ATOMIC']) {
    const given = environment[name]
    if (given === undefined || given === '') continue
    const result = yesNo.schema.safeParse(given)
    if (!result.success)
      problems.push(`${name}: ${JSON.stringify(given)} is not allowed, it takes ${yesNo.allowed}`)
    else if (name === 'FEATURE_LUA_ATOMIC') {
      if (!result.data)
        problems.push(`${name}: tq-proxy has no other than atomic commands, leave it out or set it to true`)
    } else config.streamsRollout ??= result.data ? 100 : 0
  }
}

/** The settings' defaults, for embedding and tests. */
export function defaultConfig(): Config {
  return loadConfig({}, {})
}

function readFile(file: string, problems: string[]): Record<string, unknown> {
  if (!existsSync(file)) {
    problems.push(`the configuration file ${file} is not there`)
    return {}
  }
  try {
    // JSON is YAML, so one reader serves both.
    const values: unknown = parseYaml(readFileSync(file, 'utf8')) ?? {}
    if (typeof values === 'object' && !Array.isArray(values)) return values as Record<string, unknown>
    problems.push(`${file}: a configuration is a list of "name: value" lines`)
  } catch (error) {
    problems.push(`${file} is neither YAML nor JSON: ${(error as Error).message.split('\n')[0]}`)
  }
  return {}
}
