import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { ask, isObject, readJson, type JsonObject } from './answer.ts'
import { printable, refused, unavailable } from './faults.ts'
import { isSubject } from './id-token.ts'
import type { MembershipRule, OAuth2Config } from './oauth2-config.ts'
import type { Claims } from './proof.ts'
import type { ProviderContext } from './provider.ts'

/** Asks a provider's own interface, in the name of the person whose access token it is. */
export interface PersonApi {
  /**
   * @param no statuses that are an answer too, beside 200
   * @throws AppError `sso_unavailable` for every other status: none of them says anything of the person. Some
   * providers answer 403 where somebody has asked too often.
   */
  ask(asking: string, url: string, no?: readonly number[]): Promise<Response>
}

export function personApi(accessToken: string, context: ProviderContext): PersonApi {
  const headers = {
    accept: 'application/json',
    authorization: `Bearer ${accessToken}`,
    // GitHub refuses whoever does not say who they are.
    'user-agent': 'sallyport',
  }
  return {
    async ask(asking, url, no = []) {
      const response = await ask(asking, url, { headers }, context)
      const { status } = response
      if (status === 200 || no.includes(status)) return response
      throw unavailable(`${asking}: status ${status}`)
    },
  }
}

/** What stands at a path such as `organization.id`; undefined where it leads nowhere. */
export function valueAt(said: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce(
      (value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined),
      said,
    )
}

/**
 * The person's identifier: in the type that was agreed on, because 7 and "7" may be two people.
 * @throws AppError `sso_failed`
 */
export function subjectIn(user: JsonObject, { path, type }: OAuth2Config['subject']): string {
  const value = valueAt(user, path)
  if (type === 'string' && isSubject(value)) return value
  if (type === 'integer' && Number.isSafeInteger(value) && (value as number) > 0)
    return String(value)
  throw refused('identity_missing_subject')
}

/**
 * Asks whether the person belongs to those whom the connection is for.
 * @returns what was said of their membership, under names that begin with `membership.`
 * @throws AppError `sso_denied` for a plain no; `sso_unavailable` or `sso_failed` where that stays open
 */
export async function checkMembership(
  api: PersonApi,
  { url, requires, absent }: MembershipRule,
): Promise<JsonObject> {
  const response = await api.ask('membership', url, absent)
  if (response.status !== 200) throw outsider(`status ${response.status}`)
  const said = await readJson('membership', response)
  if (!isObject(said)) throw refused('membership: malformed JSON')
  for (const [path, required] of Object.entries(requires)) {
    const value = valueAt(said, path)
    // Nothing is said there: the interface is not the one that the rule is about.
    if (value === undefined) throw refused(`membership: no ${path}`)
    if (value !== required) throw outsider(path)
  }
  return Object.fromEntries(
    Object.entries(said).map(([name, value]) => [`membership.${name}`, value]),
  )
}

function outsider(why: string): AppError {
  return new AppError('sso_denied', { reason: `membership: not a member: ${why}` })
}

const addresses = z.array(
  z.looseObject({ email: z.string(), primary: z.boolean(), verified: z.boolean() }),
)

/** The person's verified primary address; undefined when there is none, or nobody could say: it is a hint. */
export async function verifiedAddress(
  api: PersonApi,
  url: string,
  { log, connectionId }: ProviderContext,
): Promise<Claims | undefined> {
  try {
    const listed = addresses.safeParse(await readJson('emails', await api.ask('emails', url))).data
    const primary = listed?.find((one) => one.primary && one.verified)
    return primary && { email: printable(primary.email, 255), emailVerified: true }
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    log.warn({ connectionId, reason: thrown.reason }, 'signed in without an address')
    return undefined
  }
}
