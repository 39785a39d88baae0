// The program's log: JSON lines, or a readable form on a terminal.

import { pino } from 'pino'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
export type LogFormat = 'auto' | 'json' | 'pretty'

/** What the parts of the proxy need of a log. Payloads and passwords never go into it. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Opens the log on standard error, so that standard output stays free for answers. */
export function openLog(level: LogLevel, format: LogFormat): Logger {
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true)
  if (pretty) {
    return pino({
      level,
      transport: {
        target: 'pino-pretty',
        options: { destination: 2, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' },
      },
    })
  }
  return pino({ level, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2))
}
