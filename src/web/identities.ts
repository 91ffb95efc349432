import {
  findOwnIdentity,
  listLinkable,
  listOwnIdentities,
  type Linkable,
  type OwnIdentity,
} from '../accounts/own-identities.ts'
import { recordEvent } from '../accounts/audit.ts'
import type { Organization } from '../accounts/organizations.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { unlinkOwnIdentity } from '../sessions/ending.ts'
import { buttonForm, html, page, seeOther, type Html } from './page.ts'
import { tabOf } from './tabs.ts'
import { ago, moment } from './time.ts'

/** The person's sign-ins at organizations, as a part of their account page. */
export async function identitySection({ services, asker }: Exchange): Promise<Html | ''> {
  const { id } = asker.session!.person
  const identities = await listOwnIdentities(services.db, id)
  const linkable = await listLinkable(services.db, id)
  if (identities.length + linkable.length === 0) return ''
  const now = services.clock.now()
  return html`<section aria-labelledby="identities">
    <h2 id="identities">Sign-ins of your organizations</h2>
    <p class="quiet">Each of them lets you in here. One that is not yours should be unlinked.</p>
    <ul>
      ${identities.map((identity) => identityRow(identity, now))} ${linkable.map(linkableRow)}
    </ul>
  </section>`
}

function identityRow(identity: OwnIdentity, now: Date): Html {
  const { id, connection, organization, linkedAt, lastUsedAt } = identity
  return html`<li>
    <div id="identity-${id}">
      ${nameOf(connection, organization)}
      ${connection.state === 'active' ? '' : html`<span class="mark">Switched off</span>`}
      <p class="quiet">
        As <bdi>${whoIs(identity)}</bdi>. Linked on ${moment(linkedAt)}, last used
        ${ago(lastUsedAt, now)}.
      </p>
    </div>
    <a class="button" href="/account/identities/${id}" aria-describedby="identity-${id}">Unlink</a>
  </li>`
}

function linkableRow({ id, name, organization }: Linkable): Html {
  return html`<li>
    <div id="linkable-${id}">
      ${nameOf({ name }, organization)}
      <p class="quiet">Not linked to your account.</p>
    </div>
    ${buttonForm(`/sso/${id}/link`, 'Link', { describedBy: `linkable-${id}` })}
  </li>`
}

function nameOf({ name }: { readonly name: string }, organization: Organization): Html {
  return html`<strong><bdi>${name}</bdi></strong> of <bdi>${organization.name}</bdi>
    <span class="quiet">(${organization.slug})</span>`
}

function whoIs({ claims: { name, email } }: OwnIdentity): string {
  return name && email ? `${name} (${email})` : (name ?? email ?? 'somebody without a name')
}

/** `GET /account/identities/:identity`: asks before one of one's own sign-ins is unlinked. */
export const oneIdentity: Endpoint = async ({ services, asker, params }) => {
  const session = asker.session!
  const { person, organizations } = session
  const identity = await findOwnIdentity(services.db, person.id, params['identity'] ?? '')
  if (!identity) throw new AppError('not_found', { reason: 'no_such_identity' })
  const { id, connection, organization } = identity
  const here = organizations.some(({ identityId }) => identityId === id)
  return page(
    { title: 'Unlink a sign-in', signedInAs: person.name, tab: tabOf(session) },
    html`<h1>Unlink this sign-in?</h1>
      <p>${nameOf(connection, organization)}, as <bdi>${whoIs(identity)}</bdi>.</p>
      <p>
        It does not let anybody into your account any more. Every session that began with it ends,
        or goes on without
        <bdi>${organization.name}</bdi>${here ? ', and so does the one in this browser' : ''}.
      </p>
      <p class="quiet">
        You stay a member of <bdi>${organization.name}</bdi>, and can link it again from your
        account page.
      </p>
      ${buttonForm(`/account/identities/${id}/unlink`, 'Unlink it', { look: 'danger' })}
      <div class="also">
        <p class="row"><a href="/account">Back to your account</a></p>
      </div>`,
  )
}

/** `POST /account/identities/:identity/unlink`: unlinks one of one's own; anybody else's does not exist. */
export const dropIdentity: Endpoint = async ({ services, asker, params, requestId }) => {
  const userId = asker.session!.person.id
  const now = services.clock.now()
  const personally = services.personalSignIn !== 'off'
  const unlinking = { userId, id: params['identity'] ?? '', personally, requestId }
  if (await unlinkOwnIdentity(services, unlinking, now)) return seeOther('/account')
  const event = { actorId: userId, data: { what: 'identity' }, requestId }
  await recordEvent(services.db, { action: 'authz.denied', outcome: 'deny', ...event }, now)
  throw new AppError('not_found', { reason: 'no_such_identity' })
}
