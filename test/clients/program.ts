// What the programs that drive a client written in TypeScript have in common.

import { createInterface } from 'node:readline'

/** Runs one check and prints whether it held; the reason of a failure stands behind it. */
export async function capability(name: string, check: () => Promise<void>): Promise<void> {
  try {
    await check()
    console.log(`ok ${name}`)
  } catch (error) {
    console.log(`not ok ${name} # ${(error as Error).message.replace(/\s+/g, ' ')}`)
    process.exitCode = 1
  }
}

/** Has the proxy started anew; resolves when it is there again. */
export async function restarted(): Promise<void> {
  console.log('restart')
  const lines = createInterface(process.stdin)
  for await (const line of lines) {
    if (line === 'restarted') break
  }
  // An open stdin would keep the program running.
  process.stdin.destroy()
}
