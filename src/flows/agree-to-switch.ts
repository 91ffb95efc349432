import type { Asker } from '../sessions/authenticate.ts'
import type { Owner } from './admission.ts'
import type { Step } from './flow.ts'

/** What the step leaves in the data of a sign-in. */
export interface Switching {
  /** `no`: nobody else is signed in here; `yes`: somebody was, and the person agreed to switch. */
  readonly switching?: 'no' | 'yes'
}

/** What the step looks at in a request. */
export interface SwitchTurn {
  readonly asker: Asker
  /** Whether the person agreed to end the other person's session. */
  readonly agreed?: boolean
}

/** The question, with both names. */
export interface AskSwitch {
  readonly kind: 'ask-switch'
  readonly from: string
  readonly to: string
}

/**
 * Asks before somebody else's session in this browser ends.
 * @param arriving who is signing in and what they are called, or undefined when nobody knows them
 */
export function agreeToSwitch<Data extends Switching, Turn extends SwitchTurn>(
  arriving: (
    data: Data,
    turn: Turn,
  ) => Promise<(Owner & { readonly name: string | undefined }) | undefined>,
): Step<Data, Turn, AskSwitch> {
  return {
    name: 'agree-to-switch',
    version: 1,
    done: ({ switching }) => switching !== undefined,
    async run(data, turn) {
      const { asker, agreed } = turn
      const { session } = asker
      const found = session?.kind === 'user' ? await arriving(data, turn) : undefined
      const other = found && session!.person.id !== found.userId
      if (!other || found.owner !== 'active') return { data: { ...data, switching: 'no' } }
      if (agreed) return { data: { ...data, switching: 'yes' } }
      const from = session!.person.name
      return { data, answer: { kind: 'ask-switch', from, to: found.name ?? 'somebody else' } }
    },
  }
}
