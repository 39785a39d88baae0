// Sends the same commands to the proxy and to a plain Redis, and compares the bytes of the replies.

import type { Test } from 'tap'
import { rawClient } from '../../fixtures/raw-client.ts'

/** The number of a connection, the one thing that is another at each server. */
const OWN_ID = /(\$2\r\nid\r\n):\d+/

/** The words of a command line; double quotes hold spaces together and may hold nothing. */
export function wordsOf(line: string): string[] {
  return (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"(.*)"$/, '$1'))
}

/** The replies of one server to commands on a connection of their own, raw. */
export async function repliesOf(port: number, commands: readonly string[]): Promise<string[]> {
  const client = await rawClient(port)
  try {
    const replies: string[] = []
    for (const command of commands) {
      const reply = (await client.command(...wordsOf(command))).toString('latin1')
      replies.push(`${command} → ${reply.replace(OWN_ID, '$1:(id)')}`)
    }
    return replies
  } finally {
    client.destroy()
  }
}

/** Asserts that both servers give the same bytes; each string holds commands for one connection, parted by `;`. */
export async function sameReplies(
  t: Test,
  proxyPort: number,
  redisPort: number,
  conversations: readonly string[],
): Promise<void> {
  for (const conversation of conversations) {
    const commands = conversation.split(';').map((command) => command.trim())
    t.same(await repliesOf(proxyPort, commands), await repliesOf(redisPort, commands), conversation)
  }
}
