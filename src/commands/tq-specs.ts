// Reads the specifications of all TQ.* commands from their folder.

import { readdirSync } from 'node:fs'
import type { TqSpec } from './spec.ts'

/** All TQ.* commands by upper-case name, in alphabetical order. */
export async function loadTqSpecs(): Promise<Map<string, TqSpec>> {
  const folder = new URL('./tq/', import.meta.url)
  const specs: TqSpec[] = []
  for (const file of readdirSync(folder).sort()) {
    if (!/(?<!\.d)\.[jt]s$/.test(file)) continue
    const { command } = (await import(new URL(file, folder).href)) as { command: TqSpec }
    specs.push(command)
  }
  return new Map(specs.sort((a, b) => (a.name < b.name ? -1 : 1)).map((spec) => [spec.name, spec]))
}
