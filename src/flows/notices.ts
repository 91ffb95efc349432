import { mailableAddress } from '../accounts/emails.ts'
import { prepared, type Db } from '../db/open.ts'
import { newId } from '../lib/ids.ts'
import type { Outbox } from '../mails/outbox.ts'
import type { CrowdedOut } from '../sessions/sessions.ts'

/** What telling somebody of their own sign-in takes. */
export interface NoticeServices {
  readonly sendMail: Outbox
  readonly origin: string
  readonly lifetimes: { readonly atMost: number }
}

/** A sign-in as far as its person is told of it. */
export interface SignedInNow {
  readonly userId: string
  readonly browserHash: Buffer
  readonly device: string | undefined
  readonly address: string | undefined
  readonly crowdedOut: readonly CrowdedOut[]
}

/**
 * Mails a person what they may want to know of this sign-in: that it came from a browser never seen with them, and that
 * an older session ended for it. Only a verified address gets such mail; whoever has none is not told.
 */
export async function sendNotices(
  tx: Db,
  { sendMail, origin, lifetimes }: NoticeServices,
  { userId, browserHash, device = 'an unknown browser', address, crowdedOut }: SignedInNow,
  now: Date,
): Promise<void> {
  const isNew = await rememberBrowser(tx, userId, browserHash, now)
  if (!isNew && crowdedOut.length === 0) return
  const to = await mailableAddress(tx, userId)
  if (!to) return
  if (isNew) {
    const about = { origin, device, address: address ?? null, at: now.toISOString() }
    await sendMail(tx, 'new_device', to, about)
  }
  for (const { device: ended, lastSeenAt } of crowdedOut) {
    const about = { origin, device: ended, lastSeenAt: lastSeenAt.toISOString() }
    await sendMail(tx, 'session_ended', to, { ...about, most: lifetimes.atMost })
  }
}

/** Whether a browser is new to somebody who has been seen with another. Sessions are not kept for long enough to tell. */
async function rememberBrowser(
  tx: Db,
  userId: string,
  browserHash: Buffer,
  now: Date,
): Promise<boolean> {
  // Both see what was there before.
  const known = await tx
    .with('remembered', (cte) =>
      cte
        .insertInto('known_browsers')
        .values({ id: newId(), user_id: userId, browser_hash: browserHash, seen_at: now })
        .onConflict((conflict) =>
          conflict.columns(['user_id', 'browser_hash']).doUpdateSet({ seen_at: now }),
        ),
    )
    .selectFrom('known_browsers')
    .select('browser_hash')
    .where('user_id', '=', userId)
    .modifyEnd(prepared('remember_browser'))
    .execute()
  return known.length > 0 && !known.some(({ browser_hash }) => browser_hash.equals(browserHash))
}
