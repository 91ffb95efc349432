/** A system to be explored: where it begins, what can happen next, and what must never be. */
export interface System<State> {
  readonly initial: State
  /** Everything that can happen in a state, by name. */
  next(state: State): Iterable<readonly [event: string, state: State]>
  /** Equal for states that cannot be told apart. */
  key(state: State): number | string
  /** What is wrong with a state, if anything. */
  wrong(state: State): boolean
}

/** What an exploration found. */
export interface Explored {
  readonly states: number
  /** The longest shortest way to any state: without a limit, everything that can happen was seen. */
  readonly depth: number
  /** The events that lead to the first wrong state; undefined when there is none. */
  readonly violation: readonly string[] | undefined
}

interface Step<State> {
  readonly state: State
  readonly event: string
  readonly before: Step<State> | undefined
}

/**
 * Visits every state that can be reached, nearest first, each once, until one is wrong.
 * @param options.limit how many events deep @default until nothing new is found
 * @param options.tell whether to keep the way to every state, to tell the one to the wrong state @default true
 */
export function explore<State>(
  system: System<State>,
  { limit = Infinity, tell = true }: { limit?: number | undefined; tell?: boolean } = {},
): Explored {
  const seen = new Set([system.key(system.initial)])
  let level: Step<State>[] = [{ state: system.initial, event: '', before: undefined }]
  let depth = 0
  for (; level.length > 0 && depth < limit; depth++) {
    const nextLevel: Step<State>[] = []
    for (const step of level) {
      for (const [event, state] of system.next(step.state)) {
        const key = system.key(state)
        if (seen.has(key)) continue
        seen.add(key)
        const after = { state, event, before: tell ? step : undefined }
        if (system.wrong(state))
          return { states: seen.size, depth: depth + 1, violation: way(after) }
        nextLevel.push(after)
      }
    }
    level = nextLevel
  }
  return { states: seen.size, depth, violation: undefined }
}

function way<State>(last: Step<State>): readonly string[] {
  const events: string[] = []
  for (let step: Step<State> | undefined = last; step?.event; step = step.before)
    events.unshift(step.event)
  return events
}
