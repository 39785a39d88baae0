// Reads the specs of the TQ commands out of their folder, so that a new file there is a new command.

import { readdirSync } from 'node:fs'
import type { TqSpec } from './spec.ts'

const FOLDER = new URL('./tq/', import.meta.url)
// This file is .ts in the sources and .js in the build, and so are its neighbours; .d.ts and .map are not.
const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf('.'))

/**
 * Imports every spec, once, at start-up.
 *
 * @returns the specs by name in upper case: `TQ.ENQUEUE`
 * @throws Error where a file exports no `command`, or two have one name: a mistake in the package
 */
export async function loadTqSpecs(): Promise<Map<string, TqSpec>> {
  const specs = new Map<string, TqSpec>()
  for (const file of readdirSync(FOLDER).sort()) {
    if (!file.endsWith(EXTENSION) || file.endsWith('.d.ts')) continue
    const { command } = (await import(new URL(file, FOLDER).href)) as { command?: TqSpec }
    if (command === undefined) throw new Error(`commands/tq/${file} exports no command`)
    if (specs.has(command.name)) throw new Error(`commands/tq/${file}: ${command.name} is there already`)
    specs.set(command.name, command)
  }
  return specs
}
