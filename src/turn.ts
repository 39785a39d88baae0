// Collects what one turn of the event loop wants written, so that each socket is written once.

/** Something with bytes to write at the end of the turn. */
export interface Flushable {
  /** Set while the object waits for its flush; owned by `atEndOfTurn`. */
  queued: boolean
  flush(): void
}

let waiting: Flushable[] = []
let spare: Flushable[] = []

/** Has `flush` called once, after every socket that is readable in this turn has been read. */
export function atEndOfTurn(flushable: Flushable): void {
  if (flushable.queued) return
  flushable.queued = true
  if (waiting.push(flushable) === 1) setImmediate(run)
}

function run(): void {
  const batch = waiting
  waiting = spare
  spare = batch
  for (const flushable of batch) {
    flushable.queued = false
    flushable.flush()
  }
  batch.length = 0
}
