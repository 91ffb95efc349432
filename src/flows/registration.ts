import type { LetsIn } from '../accounts/joining.ts'
import { findBrowserHint, type BrowserHint } from '../sessions/lookup.ts'
import type { Db } from '../db/open.ts'
import { hashToken, tokenKey } from '../lib/secrets.ts'
import type { Asker } from '../sessions/authenticate.ts'
import type { Verdict } from '../sessions/decide.ts'
import type { RichState } from '../sessions/state.ts'

/** What somebody unknown has said on the form. */
export interface Registration {
  readonly name: string
  /** The guest who becomes this person, under the same id; null: nobody, or their work is left behind. */
  readonly guestId: string | null
}

/** Rows in which a provider has vouched for somebody who has no account here, and no person is signed in. */
const unknownHere = [5, 6, 7, 8]

/**
 * Whether somebody unknown has to fill in a form before an account is made. Where everybody is let in, nobody is asked
 * as long as nothing in the browser contradicts (row 8): no guest whose work is at stake, and no hint that the person
 * may have an account already (docs/decisions/0011).
 */
export function asksToRegister(
  policy: LetsIn,
  { row, refuse }: Partial<Verdict> & Pick<Verdict, 'row'>,
): boolean {
  if (policy === 'nobody' || refuse || !unknownHere.includes(row)) return false
  return policy === 'register' || row !== 8
}

const longestName = 200
const unprintable = /\p{Cc}|\p{Zl}|\p{Zp}/u

/** A name as a person may give it, or undefined. */
export function readName(text: string | undefined): string | undefined {
  const name = (text ?? '').trim()
  return name === '' || name.length > longestName || unprintable.test(name) ? undefined : name
}

/** Who seems to be known to a browser in which somebody has just been vouched for. */
export interface ArrivalHint {
  readonly state: RichState['hint']
  /** Who signed in here last, where nobody is at work in this browser. */
  readonly last?: BrowserHint
}

/**
 * What the browser cookie says at a sign-in. The flow itself has given every browser one, so it counts only where it
 * is bound: to the session that is alive, or to somebody who has signed in with it.
 */
export async function hintAtArrival(
  db: Db,
  { asker, browser }: { readonly asker: Asker; readonly browser: string },
): Promise<ArrivalHint> {
  const last = await findBrowserHint(db, hashToken(browser))
  if (asker.session)
    return {
      state: asker.session.browserKey === tokenKey(browser) ? 'same-user' : 'absent',
      ...(asker.session.kind === 'guest' && last && { last }),
    }
  if (!last) return { state: 'absent' }
  return { state: last.gone ? 'deleted-user' : 'other-user', last }
}
