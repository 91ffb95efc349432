import { renameConnection } from '../accounts/connections.ts'
import { lockedOut } from '../accounts/locked-out.ts'
import { countLinked, listedAtMost, listNotLinked } from '../accounts/linked.ts'
import { createSetupLink, withdrawSetupLink } from '../accounts/setup-links.ts'
import type { Db } from '../db/open.ts'
import { mailConnectionRemoved, mailUnlinked } from '../flows/organization-mails.ts'
import { readConnectionName } from '../flows/set-up.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import {
  adoptVersion,
  canBe,
  moveConnection,
  type ConnectionAct,
} from '../sessions/connection-states.ts'
import { ssoRequiredSince } from '../sessions/requiring.ts'
import type { Actor } from '../sessions/revoke.ts'
import { connectionPage } from './organization-connection.ts'
import {
  administeredConnection,
  connectionPath,
  connectionsPath,
  type Administered,
} from './organization-connections.ts'
import { organizationPath } from './organization.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { moment } from './time.ts'

/** `POST …/activate`: people can sign in through it from now on. */
export const activateConnection: Endpoint = (exchange) => move(exchange, 'activate')

/** `POST …/enable`: switches it on again. */
export const enableConnection: Endpoint = (exchange) => move(exchange, 'enable')

/** `POST …/disable`: ends what sessions prove through it; identities stay. */
export const disableConnection: Endpoint = (exchange) => move(exchange, 'disable')

/** `POST …/delete`: it is gone, and nobody signs in through it ever again. */
export const deleteConnection: Endpoint = (exchange) => move(exchange, 'delete')

async function move(exchange: Exchange, act: ConnectionAct): Promise<Response> {
  const { services } = exchange
  const { organization, connection } = await administeredConnection(exchange)
  const which = { organizationId: organization.id, connectionId: connection.id }
  const now = services.clock.now()
  const { name, id: userId } = exchange.asker.session!.person
  const sender = { userId, name, requestId: exchange.requestId }
  // In the same transaction: people are told of what is done, and of nothing else.
  const also: Readonly<Record<ConnectionAct, (tx: Db) => Promise<unknown>>> = {
    activate: async (tx) =>
      exchange.form['mail'] === 'yes' &&
      mailUnlinked(tx, services, connection, sender, now, { moving: true }),
    enable: async () => {},
    disable: (tx) => mailConnectionRemoved(tx, services, connection),
    delete: async () => {},
  }
  await moveConnection(services, which, act, actorOf(exchange), now, also[act])
  return seeOther(
    act === 'delete'
      ? organizationPath(organization, connectionsPath)
      : connectionPath(organization, connection),
  )
}

function actorOf({ asker, requestId }: Exchange): Actor & { userId: string; requestId: string } {
  return { userId: asker.session!.person.id, requestId }
}

/** `GET …/disable`: says what switching it off does, and asks. */
export const askDisable: Endpoint = async (exchange) =>
  askPage(exchange, await administeredConnection(exchange), {
    act: 'disable',
    title: (name) => html`Switch off <bdi>${name}</bdi>?`,
    does: html`<p>
      Whoever is signed in through it is signed out of your organization at once, you too if that is
      you. Nobody can sign in through it until it is switched on again. Who is linked stays linked.
    </p>`,
    button: 'Switch it off',
  })

/** `GET …/delete`: says what deleting it does, and asks. */
export const askDelete: Endpoint = async (exchange) =>
  askPage(exchange, await administeredConnection(exchange), {
    act: 'delete',
    title: (name) => html`Delete <bdi>${name}</bdi>?`,
    does: html`<p>
      Its settings and keys are erased, and who is linked through it is not linked any more. That
      cannot be undone: connecting the same provider again begins from nothing.
    </p>`,
    button: 'Delete it',
  })

interface Asking {
  readonly act: ConnectionAct
  readonly title: (name: string) => Html
  readonly does: Html
  readonly button: string
}

async function askPage(
  exchange: Exchange,
  administered: Administered,
  { act, title, does, button }: Asking,
): Promise<Response> {
  const { organization, connection } = administered
  if (!canBe(act, connection.state))
    throw new AppError('changed_meanwhile', { reason: `connection_${connection.state}` })
  const which = { organizationId: organization.id, connectionId: connection.id }
  const { db } = exchange.services
  const { here } = await countLinked(db, which)
  const before = await lockedOut(db, organization.id)
  const out = await lockedOut(db, organization.id, { without: connection.id })
  const alone = out.count - before.count
  const required = alone > 0 && (await ssoRequiredSince(db, organization.id)) !== null
  return connectionPage(
    exchange,
    administered,
    `${button}?`,
    html`<h1>${title(connection.name)}</h1>
      ${does}
      <p>
        ${here === 1 ? '1 member is' : `${here} members are`} linked through
        it${
          alone > 0
            ? html`, and <strong>${alone}</strong> of them through no other connection in use`
            : ''
        }.
      </p>
      ${
        required
          ? html`<div class="notice" role="alert">
              <p>
                <strong>Your organization requires its own sign-in.</strong>
                ${
                  out.count === out.members
                    ? 'With this, nobody gets in any more.'
                    : html`With this, ${out.count} of ${out.members} members cannot get in any more.`
                }
                ${out.owners > 0 ? 'Owners have their recovery codes.' : ''}
                <a href="${organizationPath(organization, '/requirement')}">Required sign-in</a>
              </p>
            </div>`
          : ''
      }
      <div class="row">
        ${buttonForm(connectionPath(organization, connection, `/${act}`), button, { look: 'danger' })}
        <a href="${connectionPath(organization, connection)}">Leave it as it is</a>
      </div>`,
  )
}

/** `GET …/people`: who could not sign in if this connection were the only one. */
export const peopleOfConnection: Endpoint = async (exchange) => {
  const administered = await administeredConnection(exchange)
  const { organization, connection } = administered
  const which = { organizationId: organization.id, connectionId: connection.id }
  const { db } = exchange.services
  const { here, elsewhere, nowhere } = await countLinked(db, which)
  const people = await listNotLinked(db, which)
  return connectionPage(
    exchange,
    administered,
    'Who would be locked out',
    html`<h1>If <bdi>${connection.name}</bdi> were the only way in</h1>
      <p class="lead">
        <strong>${here}</strong> of ${here + elsewhere + nowhere} members could go on signing in.
        ${elsewhere + nowhere === 0 ? 'Nobody would be locked out.' : html`<strong>${elsewhere + nowhere}</strong> would be locked out until they have linked their account here: ${elsewhere} who sign in through another connection now, and ${nowhere} who are linked nowhere.`}
      </p>
      ${
        people.length > 0
          ? html`<section aria-labelledby="people">
              <h2 id="people">Not linked here</h2>
              <ul>
                ${people.map(
                  ({ name, role, through }) =>
                    html`<li>
                      <div>
                        <bdi>${name}</bdi> <span class="quiet">${role}</span>
                        <p class="quiet">
                          ${through ? html`Signs in through <bdi>${through}</bdi> now` : 'Linked nowhere'}
                        </p>
                      </div>
                    </li>`,
                )}
              </ul>
              ${people.length === listedAtMost ? html`<p class="quiet">These are the first ${listedAtMost}.</p>` : ''}
            </section>`
          : ''
      }
      <p><a href="${connectionPath(organization, connection)}">Back to the connection</a></p>`,
  )
}

/** `POST …/rename`. */
export const renameOwnConnection: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const { organization, connection } = await administeredConnection(exchange)
  const name = readConnectionName(form['name'])
  if (!name) throw new AppError('invalid_request', { reason: 'no_name' })
  const { userId: actorId, requestId } = actorOf(exchange)
  const renamed = { connectionId: connection.id, organizationId: organization.id, name }
  await services.db
    .transaction()
    .execute((tx) => renameConnection(tx, { ...renamed, actorId, requestId }, services.clock.now()))
  return seeOther(connectionPath(organization, connection))
}

/** `POST …/versions`: puts the settings to use that were tested. */
export const useTestedVersion: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const { organization, connection } = await administeredConnection(exchange)
  const version = Number(form['version'])
  if (!Number.isSafeInteger(version)) throw new AppError('invalid_request', { reason: 'version' })
  const which = { organizationId: organization.id, connectionId: connection.id, version }
  await adoptVersion(services, which, actorOf(exchange), services.clock.now())
  return seeOther(connectionPath(organization, connection))
}

/** `POST …/links`: makes a set-up link and shows it, once. */
export const makeSetupLink: Endpoint = async (exchange) => {
  const { services } = exchange
  const administered = await administeredConnection(exchange)
  const { organization, connection } = administered
  const { userId: actorId, requestId } = actorOf(exchange)
  const made = { organizationId: organization.id, connectionId: connection.id, actorId, requestId }
  const { token, expiresAt } = await services.db
    .transaction()
    .execute((tx) => createSetupLink(tx, made, services.clock.now()))
  return connectionPage(
    exchange,
    administered,
    'A set-up link',
    html`<h1>Pass this link on</h1>
      <p>
        Whoever has it can enter the settings of <strong><bdi>${connection.name}</bdi></strong> and
        test them, until ${moment(expiresAt)}. It is shown now and never again.
      </p>
      <pre tabindex="0"><code>${services.origin}/setup/${token}</code></pre>
      <p class="quiet">
        Send it to the person who runs your identity provider, and to nobody else. You can withdraw
        it on the connection’s page.
      </p>
      <p>
        <a class="button" href="${connectionPath(organization, connection)}"
          >Back to the connection</a
        >
      </p>`,
  )
}

/** `POST …/links/withdraw`. */
export const withdrawOwnLink: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const { organization, connection } = await administeredConnection(exchange)
  const { link: id = '' } = form
  if (!isId(id)) throw new AppError('not_found', { reason: 'unknown_link' })
  const { userId: actorId, requestId } = actorOf(exchange)
  const which = { id, organizationId: organization.id, actorId, requestId }
  await services.db
    .transaction()
    .execute((tx) => withdrawSetupLink(tx, which, services.clock.now()))
  return seeOther(connectionPath(organization, connection))
}
