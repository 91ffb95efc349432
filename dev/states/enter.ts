import { seconds } from '../../src/lib/clock.ts'
import { hashToken, randomToken } from '../../src/lib/secrets.ts'
import type { Services } from '../../src/http/exchange.ts'
import { findSession, type StoredSession } from '../../src/sessions/lookup.ts'
import { requireReauthentication } from '../../src/sessions/lock.ts'
import { revoke } from '../../src/sessions/revoke.ts'
import {
  comeBack,
  emptyJar,
  keep,
  leaveAndChoose,
  prepareAccount,
  type Arriving,
  type Caller,
  type Jar,
  type Running,
} from '../autosession/sign-in.ts'
import { takeDatabaseAway } from './away.ts'

/** A state that a browser has been put into. */
export interface Entered {
  readonly jar: Jar
  /** Where the provider has sent the browser, where the state is one of coming back. */
  readonly back?: URL
  /** Who is coming back: an id at the provider. */
  readonly person?: string
}

type Enter = (running: Running, caller: Caller) => Promise<Entered>

/** One of the rows of the decision, as a browser can meet it. */
export interface State {
  readonly row: number
  /** The last part of its address. */
  readonly name: string
  readonly what: string
  /** How a browser gets there, or why none can. */
  readonly enter: Enter | string
}

const bound =
  'A sign-in is bound to the browser’s own cookie, so that whoever comes back from the provider has it.'

const guests = 'Nothing makes guests yet.'

/** Every row, in order; two of them twice, because an ordinary request and a return can both meet them. */
export const states: readonly State[] = [
  {
    row: 1,
    name: '1',
    what: 'Signed in, in a browser that is known.',
    enter: async (running, caller) => ({ jar: await signedIn(running, caller, 'alice') }),
  },
  {
    row: 1,
    name: '1-return',
    what: 'Signed in, and back from the provider as the same person: the session is rotated.',
    enter: async (running, caller) =>
      arriving(running, caller, 'alice', await signedIn(running, caller, 'alice')),
  },
  {
    row: 1,
    name: '1-switch',
    what: 'Signed in, and back from the provider as somebody else: asked whether to switch.',
    enter: async (running, caller) =>
      arriving(running, caller, 'dave', await signedIn(running, caller, 'alice')),
  },
  {
    row: 2,
    name: '2',
    what: 'Signed in, and the browser’s own cookie has gone missing.',
    enter: async (running, caller) => ({
      jar: { ...(await signedIn(running, caller, 'alice')), browser: null },
    }),
  },
  {
    row: 3,
    name: '3',
    what: 'Back from the provider as somebody who has an account.',
    enter: (running, caller) => arriving(running, caller, 'alice', emptyJar),
  },
  { row: 4, name: '4', what: 'The same in a browser without its own cookie.', enter: bound },
  {
    row: 5,
    name: '5',
    what: 'Signed in, and the account is gone.',
    enter: (running, caller) => orphaned(running, caller),
  },
  {
    row: 5,
    name: '5-return',
    what: 'Signed in, and back from the provider as somebody who has no account.',
    enter: async (running, caller) =>
      arriving(running, caller, 'erin', await signedIn(running, caller, 'alice')),
  },
  {
    row: 6,
    name: '6',
    what: 'Signed in, the account is gone, and the browser’s own cookie with it.',
    enter: async (running, caller) => {
      const { jar } = await orphaned(running, caller)
      return { jar: { ...jar, browser: null } }
    },
  },
  {
    row: 7,
    name: '7',
    what: 'Back from the provider as somebody who has no account.',
    enter: (running, caller) => arriving(running, caller, 'erin', emptyJar),
  },
  { row: 8, name: '8', what: 'The same in a browser without its own cookie.', enter: bound },
  { row: 9, name: '9', what: 'A guest, in a browser that is known.', enter: guests },
  {
    row: 10,
    name: '10',
    what: 'A guest, and the browser’s own cookie has gone missing.',
    enter: guests,
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
  { row: 13, name: '13', what: 'A session that has to be confirmed.', enter: locked },
  {
    row: 14,
    name: '14',
    what: 'The same in a browser without its own cookie.',
    async enter(running, caller) {
      const { jar } = await locked(running, caller)
      return { jar: { ...jar, browser: null } }
    },
  },
  {
    row: 15,
    name: '15',
    what: 'A browser in which somebody was signed in before.',
    enter: async (running, caller) => {
      const { browser } = await signedIn(running, caller, 'alice')
      return { jar: { session: null, browser } }
    },
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
    async enter(running, caller) {
      const jar = await signedIn(running, caller, 'alice')
      takeDatabaseAway(running.sallyport.services, seconds(10))
      return { jar }
    },
  },
]

/** A browser of its own in which somebody is signed in, through every step. */
async function signedIn(running: Running, caller: Caller, id: string): Promise<Jar> {
  const left = await leave(running, caller, id, emptyJar)
  const { services } = running.sallyport
  const jar = keep(services, left.jar, await comeBack(running, left, caller))
  if (!jar.session) throw new Error(`"${id}" could not be signed in.`)
  return jar
}

async function arriving(
  running: Running,
  caller: Caller,
  id: string,
  before: Jar,
): Promise<Entered> {
  return { ...(await leave(running, caller, id, before)), person: id }
}

async function leave(running: Running, caller: Caller, id: string, jar: Jar): Promise<Arriving> {
  const person = running.provider.people.find((each) => each.id === id)
  if (!person) throw new Error(`The development provider has no person "${id}".`)
  await prepareAccount(running, person)
  return leaveAndChoose(running, person, caller, { jar })
}

async function storedIn(
  { db, lifetimes, clock }: Services,
  { session }: Jar,
): Promise<StoredSession | undefined> {
  return findSession(db, hashToken(session!), { lifetimes, now: clock.now() })
}

/** A session that was told to sign in again. */
async function locked(running: Running, caller: Caller): Promise<{ jar: Jar }> {
  const jar = await signedIn(running, caller, 'alice')
  const { services } = running.sallyport
  const session = await storedIn(services, jar)
  const { id, person } = session!
  await requireReauthentication(services, person.id, { only: id, actor: {} }, services.clock.now())
  return { jar }
}

/** A session whose account has been deleted without ending it, as a fault or a hand in the database would. */
async function orphaned(running: Running, caller: Caller): Promise<{ jar: Jar }> {
  const jar = await signedIn(running, caller, 'erin')
  const { services } = running.sallyport
  const session = await storedIn(services, jar)
  const { id } = session!.person
  await revoke(services, async (tx) => {
    const deleted_at = services.clock.now()
    await tx.updateTable('users').set({ deleted_at }).where('id', '=', id).execute()
    return { result: undefined, targets: [{ kind: 'user', id }] }
  })
  return { jar }
}
