#!/usr/bin/env node
// The program: serve, dev, check.

import { Command, CommanderError, Option } from 'commander'
import { checkUpstream } from './check-command.ts'
import {
  type Config,
  ConfigError,
  flagOf,
  loadConfig,
  SETTINGS,
  type Setting,
  size,
  variableOf,
} from './config.ts'
import { runDev } from './dev-command.ts'
import { openLog } from './observe/log.ts'
import { StartError, startProxy, VERSION } from './proxy.ts'

/** Wrong usage, as opposed to something that went wrong. */
const EXIT_USAGE = 2

/** Adds the options of all settings, or of those named. */
function addSettings(command: Command, names: readonly string[] = Object.keys(SETTINGS)): Command {
  command.option('--config <file>', 'a YAML or JSON file with settings (TQ_CONFIG)')
  for (const name of names) {
    const { placeholder, about, fileOnly, default: value } = (SETTINGS as Record<string, Setting>)[name]
    if (fileOnly) continue
    const option = new Option(
      `--${flagOf(name)} <${placeholder}>`,
      `${about} [${variableOf(name)}]${shown(value, placeholder)}`,
    )
    command.addOption(option)
  }
  return command
}

function shown(value: unknown, placeholder: string): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'number' && placeholder === 'size') return ` (${size(value)})`
  return ` (${typeof value === 'boolean' ? (value ? 'yes' : 'no') : value})`
}

/** The settings as the command line, the variables and the file give them; exits with a sentence for each wrong one. */
function configOf(options: Record<string, unknown>): Config {
  const { config: file, ...flags } = options
  return file === undefined ? loadConfig(flags) : loadConfig(flags, undefined, String(file))
}

async function serve(options: Record<string, unknown>): Promise<void> {
  const config = configOf(options)
  const log = openLog(config.logLevel, config.logFormat)
  const proxy = await startProxy(config, log)
  log.info({ host: proxy.host, port: proxy.port, upstream: config.upstream, version: VERSION }, 'listening')
  process.on('SIGHUP', () => {
    log.info({}, 'told to read the certificates again')
    proxy.reload()
  })
  stopOnSignal(async () => {
    log.info({ drainTimeoutMs: config.drainTimeoutMs }, 'stopping')
    await proxy.stop()
    log.info({}, 'stopped')
  })
}

/** Stops once on the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false
  const onSignal = (): void => {
    if (stopping) process.exit(1)
    stopping = true
    void stop().then(() => process.exit(0))
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

async function check(options: Record<string, unknown>): Promise<void> {
  const config = configOf(options)
  const findings = await checkUpstream(config)
  for (const { ok, text } of findings) process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${text}\n`)
  process.exitCode = findings.every((finding) => finding.ok) ? 0 : 1
}

const program = new Command('tq-proxy')
  .description(
    'A Redis-protocol proxy: a Redis Cluster as one Redis server, with an atomic ticket queue and seat holds (TQ.* commands).',
  )
  .version(VERSION, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'say how to use it')
  .configureHelp({ helpWidth: 110 })
  .exitOverride()

addSettings(program.command('serve', { isDefault: true }))
  .summary('serve clients before an upstream (the default command)')
  .description('Serves clients before a Redis Cluster or one standalone Redis.')
  .exitOverride()
  .addHelpText(
    'after',
    `
Each setting is a flag, a variable [in brackets], and a name in the configuration file (maxClients for
--max-clients); the flag counts before the variable, the variable before the file.

Examples:
  tq-proxy --upstream 127.0.0.1:7000,127.0.0.1:7001
  TQ_UPSTREAM=redis-cluster:6379 TQ_UPSTREAM_PASSWORD=… tq-proxy serve --listen 127.0.0.1:6380
  tq-proxy serve --config /etc/tq-proxy.yaml --log-level debug

Then:
  redis-cli -p 6380 TQ.ENQUEUE concert-1 user-7 token-42
  redis-cli -p 6380 TQ.POS concert-1 token-42`,
  )
  .action(serve)

addSettings(program.command('dev'), ['listen', 'logLevel', 'logFormat', 'requirepass', 'keyPrefix'])
  .summary('try it: an embedded cluster of real redis-server processes with the proxy before it')
  .description(
    'Starts a Redis Cluster of real redis-server processes in a temporary folder and the proxy before it. All of it is gone when the command ends.',
  )
  .addOption(new Option('--masters <number>', 'masters of the cluster').default('3'))
  .addOption(new Option('--replicas <number>', 'replicas of each master').default('0'))
  .addOption(new Option('--redis-server <path>', 'the redis-server to run').default('redis-server'))
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  tq-proxy dev
  tq-proxy dev --replicas 1 --listen 127.0.0.1:6390

It stops on Ctrl-C, and when the process that started it is gone.`,
  )
  .action((options: Record<string, unknown>) => {
    const { masters, replicas, redisServer, ...rest } = options
    return runDev(configOf(rest), { masters, replicas, redisServer }, stopOnSignal)
  })

addSettings(program.command('check'), [
  'upstream',
  'upstreamUsername',
  'upstreamPassword',
  'upstreamTls',
  'upstreamTlsCa',
  'upstreamTlsCert',
  'upstreamTlsKey',
  'upstreamTlsServerName',
  'upstreamTlsVerify',
  'keyPrefix',
  'connectTimeoutMs',
])
  .summary('validate the configuration and look at every master')
  .description(
    'Validates the configuration, reaches every master and says its version, role, maxmemory policy and persistence, and whether the scripts load. Exit status 0 where all is well, else 1.',
  )
  .exitOverride()
  .addHelpText('after', '\nExample:\n  tq-proxy check --upstream 127.0.0.1:7000')
  .action(check)

program.addHelpText(
  'after',
  `
Examples:
  tq-proxy dev                                    try it with an embedded cluster
  tq-proxy --upstream 10.0.0.1:6379               serve on 127.0.0.1:6380
  tq-proxy check --upstream 10.0.0.1:6379         look before you serve
  tq-proxy serve --help                           all settings`,
)

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version end here as well, with status 0; commander has printed what there was to say.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE
  } else if (error instanceof ConfigError) {
    for (const problem of error.problems) process.stderr.write(`tq-proxy: ${problem}\n`)
    process.exitCode = EXIT_USAGE
  } else if (error instanceof StartError) {
    process.stderr.write(`tq-proxy: ${error.message}\n`)
    process.exit(1)
  } else {
    throw error
  }
}
