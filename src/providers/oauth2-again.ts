import { AppError } from '../lib/errors.ts'
import type { Again, Answer, Subject } from './again.ts'
import { readObject } from './answer.ts'
import type { OAuth2Config } from './oauth2-config.ts'
import { checkMembership, personApi, subjectIn } from './person-api.ts'
import type { ProviderContext } from './provider.ts'

/** How a plain OAuth 2 provider is asked again: who the bearer is, and whether they still belong there. */
export function askAgain(config: OAuth2Config, context: ProviderContext): Again {
  return {
    async userinfo(accessToken, subject, fresh) {
      try {
        return await ask(accessToken, subject, fresh, config, context)
      } catch (thrown) {
        if (!(thrown instanceof AppError)) throw thrown
        return meaningOf(thrown)
      }
    },
  }
}

async function ask(
  accessToken: string,
  { subject }: Subject,
  fresh: boolean,
  config: OAuth2Config,
  context: ProviderContext,
): Promise<Answer> {
  const api = personApi(accessToken, context)
  const response = await api.ask('user', config.userEndpoint, [401])
  if (response.status === 401)
    return fresh
      ? { answer: 'no_longer_true', reason: 'user: status 401' }
      : {
          answer: 'could_not_tell',
          doubt: 'unsupported',
          reason: 'user: the access token is over',
        }
  const user = await readObject('user', response)
  if (subjectIn(user, config.subject) !== subject)
    return { answer: 'no_longer_true', reason: 'subject_changed' }
  if (config.membership) await checkMembership(api, config.membership)
  return { answer: 'still_true', reason: config.membership ? 'membership' : 'user' }
}

/** Only a plain no ends anything; to refuse to answer, or to answer something else, is not one. */
function meaningOf({ code, reason }: AppError): Answer {
  if (code === 'sso_denied') return { answer: 'no_longer_true', reason }
  const lasting = reason.endsWith('egress_blocked')
  return { answer: 'could_not_tell', doubt: lasting ? 'misconfigured' : 'transient', reason }
}
