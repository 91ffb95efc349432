import { isOfOrganization } from '../accounts/members.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import { endProofs } from '../sessions/ending.ts'
import { listSessionsOfOrganization, type MemberSessions } from '../sessions/inventory.ts'
import { organizationPage } from './organization.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { ago } from './time.ts'

/** `GET /organizations/:org/sessions`: who is signed in to one's organization, and where. */
export const organizationSessions: Endpoint = async (exchange) => {
  const { services } = exchange
  const organization = await administeredOrganization(exchange)
  const now = services.clock.now()
  const people = await listSessionsOfOrganization(services.db, organization.id, now)
  const path = `/organizations/${organization.slug}/sessions/end`
  const connections = new Map(
    people.flatMap(({ sessions }) =>
      sessions.flatMap(({ connection }) =>
        connection ? [[connection.id, connection.name] as const] : [],
      ),
    ),
  )
  return organizationPage(
    exchange,
    organization,
    { title: `Sessions of ${organization.name}`, current: '/sessions' },
    html`<h1>Who is signed in to <bdi>${organization.name}</bdi></h1>
      <p class="lead">
        Ending a session here ends what it is worth to your organization. Whoever needs it signs in
        again; what the same browser is signed in to elsewhere goes on.
      </p>
      ${people.map((person, i) => personSection(person, { path, now, i }))}
      <section aria-labelledby="all">
        <h2 id="all">All at once</h2>
        <p class="quiet">You too: you sign in again afterwards.</p>
        <div class="row">
          ${[...connections].map(([connection, name]) =>
            buttonForm(path, html`End all through <bdi>${name}</bdi>`, {
              look: 'danger',
              fields: { connection },
            }),
          )}
          ${buttonForm(path, 'End all of the organization', { look: 'danger', fields: { all: 'yes' } })}
        </div>
      </section>`,
  )
}

function personSection(
  { user, sessions }: MemberSessions,
  { path, now, i }: { path: string; now: Date; i: number },
): Html {
  const id = `person-${i}`
  return html`<section aria-labelledby="${id}">
    <h2 id="${id}"><bdi>${user.name}</bdi></h2>
    <ul>
      ${sessions.map(
        ({ device, address, lastSeenAt, kept, connection }) =>
          html`<li>
            <div>
              <strong>${device || 'Unknown browser'}</strong>
              ${kept ? html`<span class="mark">Kept signed in</span>` : ''}
              <p class="quiet">
                ${address ? html`Network address ${address} · ` : ''}Last used
                ${ago(lastSeenAt, now)},
                ${connection ? html`through <bdi>${connection.name}</bdi>` : 'signed in by themself'}.
              </p>
            </div>
          </li>`,
      )}
    </ul>
    ${buttonForm(path, 'End these sessions', { look: 'danger', describedBy: id, fields: { person: user.id } })}
  </section>`
}

/** `POST /organizations/:org/sessions/end`: ends one person's, one connection's, or all. */
export const endSessionsOfOrganization: Endpoint = async (exchange) => {
  const { services, asker, form, requestId } = exchange
  const organization = await administeredOrganization(exchange)
  const { person: userId, connection: connectionId, all } = form
  const chosen = userId ?? connectionId
  if (chosen === undefined ? all !== 'yes' : !isId(chosen))
    throw new AppError('invalid_request', { reason: 'nothing_chosen' })
  const actor = { userId: asker.session!.person.id, requestId }
  const which = { organizationId: organization.id, userId, connectionId }
  if (!(await isOfOrganization(services.db, which)))
    throw new AppError('not_found', { reason: 'of_another_organization' })
  await endProofs(services, which, actor, services.clock.now())
  return seeOther(`/organizations/${organization.slug}/sessions`)
}
