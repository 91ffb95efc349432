import { seconds } from '../../src/lib/clock.ts'
import { hashToken } from '../../src/lib/secrets.ts'
import { requireReauthentication } from '../../src/sessions/lock.ts'
import { findSession, type StoredSession } from '../../src/sessions/lookup.ts'
import { revoke } from '../../src/sessions/revoke.ts'
import {
  becomeGuest,
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
import type { Entered } from './enter.ts'

/** What can be done to put a browser into a state. Each begins with a browser of its own. */
export interface Stage {
  /** A browser in which somebody is signed in, through every step. */
  signedIn(person: string): Promise<Jar>
  /** A browser that has been to the provider and chosen somebody there, all but the last request. */
  arriving(person: string, before: Jar): Promise<Entered>
  /** A browser whose visitor goes on as a guest. */
  guest(before?: Jar): Promise<Jar>
  /** A session whose account has been deleted without ending it, as a fault or a hand in the database would. */
  orphaned(): Promise<Jar>
  /** A session that was told to sign in again. */
  locked(): Promise<Jar>
  withoutDatabase(): void
}

/** The stage for one press of a button. */
export function setStage(running: Running, caller: Caller): Stage {
  const { services } = running.sallyport

  async function leave(id: string, jar: Jar): Promise<Arriving> {
    const person = running.provider.people.find((each) => each.id === id)
    if (!person) throw new Error(`The development provider has no person "${id}".`)
    await prepareAccount(running, person)
    return leaveAndChoose(running, person, caller, { jar })
  }
  async function signedIn(id: string): Promise<Jar> {
    const left = await leave(id, emptyJar)
    const jar = keep(services, left.jar, await comeBack(running, left, caller))
    if (!jar.session) throw new Error(`"${id}" could not be signed in.`)
    return jar
  }
  async function stored({ session }: Jar): Promise<StoredSession> {
    const { db, lifetimes, clock } = services
    return (await findSession(db, hashToken(session!), { lifetimes, now: clock.now() }))!
  }
  return {
    signedIn,
    arriving: async (id, before) => ({ ...(await leave(id, before)), person: id }),
    guest: async (before = emptyJar) =>
      keep(services, before, await becomeGuest(running, before, caller)),
    async orphaned() {
      const jar = await signedIn('erin')
      const { id } = (await stored(jar)).person
      await revoke(services, async (tx) => {
        const deleted_at = services.clock.now()
        await tx.updateTable('users').set({ deleted_at }).where('id', '=', id).execute()
        return { result: undefined, targets: [{ kind: 'user', id }] }
      })
      return jar
    },
    async locked() {
      const jar = await signedIn('alice')
      const { id, person } = await stored(jar)
      const now = services.clock.now()
      await requireReauthentication(services, person.id, { only: id, actor: {} }, now)
      return jar
    },
    withoutDatabase: () => takeDatabaseAway(services, seconds(10)),
  }
}
