import { resealAll } from '../accounts/resealing.ts'
import type { Environment } from '../lib/config.ts'
import type { Values } from './command.ts'
import { clearProgress, showProgress } from './progress.ts'
import { withServices } from './sessions.ts'

/** Seals everything that stays under the newest key, so that older ones can go. */
export function reseal(_values: Values, env: Environment): Promise<void> {
  return withServices(env, async ({ db, sealer }) => {
    const done = await resealAll(db, sealer, showProgress)
    clearProgress()
    console.log(`${done === 1 ? '1 value was' : `${done} values were`} sealed anew.`)
    console.log(
      'All that stays is sealed under the first key of SALLYPORT_KEYS. Take the others out in a day, when sign-ins and mails under way are through.',
    )
  })
}
