// Checks that import arrows in src run down only, that none run in circles, and where the environment is read.
// usage: node scripts/check-imports.ts [folder of the project]

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

interface Layer {
  /** Paths below src that may be imported: folders end in a slash, files do not. */
  readonly may: readonly string[]
  /** Paths of which types may be imported besides. */
  readonly mayTypes?: readonly string[]
  /** Whether sockets, files, processes and Redis clients are out of bounds. */
  readonly pure?: true
  /** Packages that are out of bounds. */
  readonly not?: readonly string[]
  readonly because: string
}

const FREE = new Set([
  'proxy.ts',
  'cli.ts',
  'check-command.ts',
  'dev-command.ts',
  'config.ts',
  'passes.ts',
  'tls.ts',
  'index.ts',
])

const LAYERS: Record<string, Layer> = {
  'resp/': { may: ['resp/'], pure: true, because: 'resp is about bytes and imports nothing of ours' },
  'routing/': { may: ['routing/', 'resp/'], pure: true, because: 'routing decides and does no I/O' },
  'commands/': {
    may: ['commands/', 'resp/', 'routing/'],
    mayTypes: ['upstream/scripts.ts'],
    pure: true,
    because: 'commands decide and do no I/O',
  },
  'upstream/': {
    may: ['upstream/', 'resp/', 'routing/', 'observe/', 'socket-writer.ts', 'turn.ts'],
    mayTypes: ['commands/', 'config.ts'],
    because: 'upstream knows nodes and no commands',
  },
  'client/': {
    may: [
      'client/',
      'commands/',
      'resp/',
      'routing/',
      'observe/',
      'upstream/call.ts',
      'socket-writer.ts',
      'turn.ts',
    ],
    mayTypes: ['upstream/', 'config.ts'],
    not: ['ioredis', 'redis-parser'],
    because: 'client knows its connection and no Redis node',
  },
  'observe/': {
    may: ['observe/'],
    mayTypes: [''],
    not: ['ioredis'],
    because: 'observe is looked at from above',
  },
  'admin/': {
    may: ['admin/', 'observe/'],
    mayTypes: [''],
    not: ['ioredis'],
    because: 'admin shows what it is handed',
  },
  'dev/': { may: ['dev/'], because: 'dev runs Redis processes and knows nothing of the proxy' },
  'socket-writer.ts': {
    may: ['turn.ts'],
    because: 'socket-writer is shared by client and upstream and below both',
  },
  'turn.ts': { may: [], because: 'turn is below everything' },
}

const IO =
  /^(node:)?(net|tls|http|https|http2|dgram|dns|fs|child_process|cluster|worker_threads)(\/|$)|^ioredis$/
/** Reads the folder of specs, once, at the start. */
const READS_FILES = 'commands/tq-specs.ts'
const READS_ENVIRONMENT = 'config.ts'

interface Import {
  readonly from: string
  readonly line: number
  /** Erased when the program runs. */
  readonly typeOnly: boolean
}

interface SourceFacts {
  readonly imports: Import[]
  readonly environmentLines: number[]
}

function readFacts(file: string): SourceFacts {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true)
  const imports: Import[] = []
  const environmentLines: number[] = []
  const lineOf = (node: ts.Node) => source.getLineAndCharacterOfPosition(node.getStart()).line + 1

  function visit(node: ts.Node): void {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      // `import { type X }` counts as more than a type: the module is still loaded.
      const typeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
      imports.push({ from: node.moduleSpecifier.text, line: lineOf(node), typeOnly })
    } else if (
      ts.isExportDeclaration(node) &&
      node.moduleSpecifier &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      imports.push({ from: node.moduleSpecifier.text, line: lineOf(node), typeOnly: node.isTypeOnly })
    } else if (
      ts.isCallExpression(node) &&
      node.expression.kind === ts.SyntaxKind.ImportKeyword &&
      node.arguments[0] &&
      ts.isStringLiteral(node.arguments[0])
    ) {
      imports.push({ from: node.arguments[0].text, line: lineOf(node), typeOnly: false })
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      if (ts.isStringLiteral(node.argument.literal)) {
        imports.push({ from: node.argument.literal.text, line: lineOf(node), typeOnly: true })
      }
    } else if (
      ts.isPropertyAccessExpression(node) &&
      node.name.text === 'env' &&
      node.expression.getText() === 'process'
    ) {
      environmentLines.push(lineOf(node))
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return { imports, environmentLines }
}

function covers(paths: readonly string[], target: string): boolean {
  return paths.some((path) => (path === '' || path.endsWith('/') ? target.startsWith(path) : target === path))
}

function checkFile(name: string, facts: SourceFacts, src: string): string[] {
  const complaints: string[] = []
  const complain = (line: number, text: string) => complaints.push(`src/${name}:${line} ${text}`)

  if (name !== READS_ENVIRONMENT) {
    for (const line of facts.environmentLines)
      complain(line, `reads process.env: only ${READS_ENVIRONMENT} does`)
  }
  if (FREE.has(name)) return complaints
  const layer = LAYERS[name.includes('/') ? name.slice(0, name.indexOf('/') + 1) : name]
  if (!layer) {
    complain(1, 'belongs to no known layer: give it one in scripts/check-imports.ts')
    return complaints
  }
  for (const { from, line, typeOnly } of facts.imports) {
    if (from.startsWith('.')) {
      const target = below(src, resolve(src, dirname(name), from))
      const allowed = covers(layer.may, target) || (typeOnly && covers(layer.mayTypes ?? [], target))
      if (!allowed) complain(line, `imports ${target}${typeOnly ? ' (its types)' : ''}: ${layer.because}`)
    } else if (!typeOnly) {
      const readsItsFolder = name === READS_FILES && /^(node:)?fs(\/|$)/.test(from)
      if ((layer.pure && IO.test(from) && !readsItsFolder) || layer.not?.includes(from)) {
        complain(line, `imports ${from}: ${layer.because}`)
      }
    }
  }
  return complaints
}

function below(folder: string, path: string): string {
  return relative(folder, path).split(sep).join('/')
}

/** The first circle found among imports that are there when the program runs, as a path of names. */
function findCircle(graph: Map<string, string[]>): string[] | undefined {
  const done = new Set<string>()
  function walk(name: string, path: string[]): string[] | undefined {
    const seen = path.indexOf(name)
    if (seen >= 0) return [...path.slice(seen), name]
    if (done.has(name)) return undefined
    for (const next of graph.get(name) ?? []) {
      const circle = walk(next, [...path, name])
      if (circle) return circle
    }
    done.add(name)
    return undefined
  }
  for (const name of graph.keys()) {
    const circle = walk(name, [])
    if (circle) return circle
  }
  return undefined
}

/**
 * Checks all sources of a project.
 *
 * @param root - the folder that holds src
 * @returns how many files there are, and a line for every arrow that does not run down
 */
export function checkImports(root: string): { files: number; complaints: string[] } {
  const src = join(root, 'src')
  const names = (readdirSync(src, { recursive: true }) as string[])
    .map((name) => name.split(sep).join('/'))
    .filter((name) => name.endsWith('.ts'))
    .sort()
  const complaints: string[] = []
  const graph = new Map<string, string[]>()
  for (const name of names) {
    const facts = readFacts(join(src, name))
    complaints.push(...checkFile(name, facts, src))
    const loaded = facts.imports.filter(({ from, typeOnly }) => from.startsWith('.') && !typeOnly)
    graph.set(
      name,
      loaded.map(({ from }) => below(src, resolve(src, dirname(name), from))),
    )
  }
  const circle = findCircle(graph)
  if (circle) complaints.push(`src/${circle[0]}:1 imports itself in a circle: ${circle.join(' -> ')}`)
  return { files: names.length, complaints }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { files, complaints } = checkImports(
    resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url))),
  )
  for (const complaint of complaints) console.error(complaint)
  if (complaints.length === 0) console.log(`import arrows: ${files} files, all run down`)
  else process.exitCode = 1
}
