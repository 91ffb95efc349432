import { AppError } from '../lib/errors.ts'
import type { JsonObject } from './answer.ts'
import { printable, refused } from './faults.ts'
import type { OidcConfig } from './oidc-config.ts'
import type { Claims } from './proof.ts'
import { groupsIn, rawClaims } from './raw-claims.ts'

/** What is shown of a person, and all else that was said of them. Hints, never keys. */
export function display(
  idToken: JsonObject,
  userinfo: JsonObject,
  { claims: mapping, emailVerified }: OidcConfig,
): Claims {
  const name = userinfo[mapping.name] ?? idToken[mapping.name]
  // An address and whether it was verified are only believed from the same mouth.
  const source = mapping.email in userinfo ? userinfo : idToken
  const { [mapping.email]: email, email_verified: verified } = source
  const groups = groupsIn(userinfo[mapping.groups] ?? idToken[mapping.groups])
  return {
    ...(typeof name === 'string' && { name: printable(name, 255) }),
    ...(typeof email === 'string' && { email: printable(email, 255) }),
    ...(mapping.email === 'email' &&
      typeof verified === 'boolean' && { emailVerified: emailVerified === 'claim' && verified }),
    ...(groups && { groups }),
    raw: rawClaims(
      ofThePerson({
        ...idToken,
        ...(mapping.email in userinfo && { email_verified: undefined }),
        ...userinfo,
      }),
    ),
  }
}

/**
 * Whether the person is in one of the groups that the settings ask for; all is well where they ask for none.
 * @throws AppError `sso_denied` for whoever is in none; `sso_failed` where groups are not told
 */
export function checkGroups(
  idToken: JsonObject,
  userinfo: JsonObject,
  { claims, requiredGroups }: OidcConfig,
): void {
  if (requiredGroups === undefined) return
  const said = userinfo[claims.groups] ?? idToken[claims.groups]
  if (!Array.isArray(said) || said.some((each) => typeof each !== 'string'))
    throw refused('groups: not told')
  if (!requiredGroups.some((group) => said.includes(group)))
    throw new AppError('sso_denied', { reason: 'membership: not a member: groups' })
}

/** Claims that say something of the token and nothing of the person. */
const ofTheToken = [
  'aud',
  'azp',
  'exp',
  'iat',
  'nbf',
  'auth_time',
  'nonce',
  'jti',
  'sid',
  'at_hash',
  'c_hash',
  's_hash',
]

function ofThePerson(claims: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !ofTheToken.includes(name)))
}
