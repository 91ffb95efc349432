import { randomToken } from '../../src/lib/secrets.ts'
import { emptyJar, type Jar } from '../autosession/sign-in.ts'
import type { Stage } from './stage.ts'

/** A state that a browser has been put into. */
export interface Entered {
  readonly jar: Jar
  /** Where the provider has sent the browser, where the state is one of coming back. */
  readonly back?: URL
  /** Who is coming back: an id at the provider. */
  readonly person?: string
}

type Enter = (on: Stage) => Promise<Entered>

/** One of the rows of the decision, as a browser can meet it. */
export interface State {
  readonly row: number
  /** The last part of its address. */
  readonly name: string
  readonly what: string
  /** How a browser gets there, or why none can. */
  readonly enter: Enter | string
}

/** Every row, in order; some several times, because an ordinary request and a return can both meet them. */
export const states: readonly State[] = [
  {
    row: 1,
    name: '1',
    what: 'Signed in, in a browser that is known.',
    enter: async (on) => ({ jar: await on.signedIn('alice') }),
  },
  {
    row: 1,
    name: '1-return',
    what: 'Signed in, and back from the provider as the same person: the session is rotated.',
    enter: async (on) => on.arriving('alice', await on.signedIn('alice')),
  },
  {
    row: 1,
    name: '1-switch',
    what: 'Signed in, and back from the provider as somebody else: asked whether to switch.',
    enter: async (on) => on.arriving('dave', await on.signedIn('alice')),
  },
  {
    row: 2,
    name: '2',
    what: 'Signed in, and the browser’s own cookie has gone missing.',
    enter: async (on) => ({ jar: withoutBrowser(await on.signedIn('alice')) }),
  },
  {
    row: 3,
    name: '3',
    what: 'Back from the provider as somebody who has an account, where somebody has signed in before.',
    enter: async (on) => on.arriving('alice', withoutSession(await on.signedIn('alice'))),
  },
  {
    row: 4,
    name: '4',
    what: 'The same in a browser that knows nobody.',
    enter: (on) => on.arriving('alice', emptyJar),
  },
  {
    row: 5,
    name: '5',
    what: 'Signed in, and the account is gone.',
    enter: async (on) => ({ jar: await on.orphaned() }),
  },
  {
    row: 5,
    name: '5-return',
    what: 'Signed in, and back from the provider as somebody who has no account.',
    enter: async (on) => on.arriving('erin', await on.signedIn('alice')),
  },
  {
    row: 5,
    name: '5-guest',
    what: 'A guest, and back from the provider as somebody who has no account.',
    enter: async (on) => on.arriving('erin', await on.guest()),
  },
  {
    row: 6,
    name: '6',
    what: 'Signed in, the account is gone, and the browser’s own cookie with it.',
    enter: async (on) => ({ jar: withoutBrowser(await on.orphaned()) }),
  },
  {
    row: 7,
    name: '7',
    what: 'Back from the provider as somebody who has no account, where somebody has signed in before.',
    enter: async (on) => on.arriving('erin', withoutSession(await on.signedIn('alice'))),
  },
  {
    row: 8,
    name: '8',
    what: 'The same in a browser that knows nobody.',
    enter: (on) => on.arriving('erin', emptyJar),
  },
  {
    row: 9,
    name: '9',
    what: 'A guest.',
    enter: async (on) => ({ jar: await on.guest() }),
  },
  {
    row: 10,
    name: '10',
    what: 'A guest, and the browser’s own cookie has gone missing.',
    enter: async (on) => ({ jar: withoutBrowser(await on.guest()) }),
  },
  {
    row: 11,
    name: '11',
    what: 'A browser that was here before, and whose session nobody knows.',
    enter: async () => ({ jar: { session: randomToken(), browser: randomToken(16) } }),
  },
  {
    row: 12,
    name: '12',
    what: 'A browser that knows nothing.',
    enter: async () => ({ jar: emptyJar }),
  },
  {
    row: 13,
    name: '13-guest',
    what: 'A guest, where somebody has signed in before.',
    enter: async (on) => ({ jar: await on.guest(withoutSession(await on.signedIn('alice'))) }),
  },
  {
    row: 13,
    name: '13',
    what: 'A session that has to be confirmed.',
    enter: async (on) => ({ jar: await on.locked() }),
  },
  {
    row: 14,
    name: '14',
    what: 'The same in a browser without its own cookie.',
    enter: async (on) => ({ jar: withoutBrowser(await on.locked()) }),
  },
  {
    row: 15,
    name: '15',
    what: 'A browser in which somebody was signed in before.',
    enter: async (on) => ({ jar: withoutSession(await on.signedIn('alice')) }),
  },
  {
    row: 16,
    name: '16',
    what: 'An account, known neither by a session nor by a cookie.',
    enter:
      'Nothing could tell us of it. If it were ever reached, it would behave as row 12, and ring.',
  },
  {
    row: 17,
    name: '17',
    what: 'Signed in, and the database is away: for ten seconds, for everybody.',
    async enter(on) {
      const jar = await on.signedIn('alice')
      on.withoutDatabase()
      return { jar }
    },
  },
]

function withoutBrowser(jar: Jar): Jar {
  return { ...jar, browser: null }
}

function withoutSession(jar: Jar): Jar {
  return { ...jar, session: null }
}
