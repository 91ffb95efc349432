import { findConnection, type Connection } from '../accounts/connections.ts'
import { findSetupLink, type SetupLink } from '../accounts/setup-links.ts'
import { clientKey, countUse } from '../db/limits.ts'
import { readLatest, saveAnswers } from '../flows/set-up.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { knowSettings } from '../providers/index.ts'
import { problemsOf, settingsForm, settingsSection, type Refused } from './connection-form.ts'
import { providerName } from './organization-connections.ts'
import { buttonForm, html, page, seeOther, type Html } from './page.ts'
import { beginTest, showTest } from './test-sign-in.ts'
import { moment } from './time.ts'

/** What a set-up link leads to. */
interface Invited {
  readonly link: SetupLink
  readonly connection: Connection
  /** The address of the link, which is the secret itself. */
  readonly path: string
}

/**
 * What a link leads to. Whatever is the matter with it, there is nothing here.
 * @throws AppError `not_found`, `rate_limited`
 */
async function invited({ services, params, client }: Exchange): Promise<Invited> {
  const now = services.clock.now()
  const token = params['token'] ?? ''
  const link = await findSetupLink(services.db, token, now)
  if (!link) {
    // Only guesses count, so that nobody is kept from their work by it.
    await countUse(services.db, 'set_up_of_client', clientKey(client.address), now)
    throw new AppError('not_found', { reason: 'unknown_setup_link' })
  }
  const connection = await findConnection(services.db, link.connectionId)
  if (!connection) throw new AppError('not_found', { reason: 'unknown_connection' })
  return { link, connection, path: `/setup/${token}` }
}

/** `GET /setup/:token`: how far the connection is, for whoever was given the link. */
export const setup: Endpoint = async (exchange) => {
  const { connection, link, path } = await invited(exchange)
  const latest = await readLatest(exchange.services, connection)
  const complete = knowSettings(connection.kind, latest.settings) !== undefined
  return setupPage(
    connection,
    html`<h1>Connect <bdi>${connection.organization.name}</bdi></h1>
      <p class="lead">
        You were asked to connect ${providerName(connection)} as
        <strong><bdi>${connection.name}</bdi></strong
        >. Here you enter what it gives you and try it out. Somebody at
        <bdi>${connection.organization.name}</bdi> switches it on.
      </p>
      <section aria-labelledby="one">
        <h2 id="one">1. Settings</h2>
        ${settingsSection(connection, latest)}
        <p>
          <a class="button ${complete ? '' : 'primary'}" href="${path}/settings"
            >${complete ? 'Change the settings' : 'Enter the settings'}</a
          >
        </p>
      </section>
      <section aria-labelledby="two">
        <h2 id="two">2. Test sign-in</h2>
        ${
          complete
            ? html`<p>
                  You sign in at the provider, and see what it says of you. Nobody is signed in here
                  by that.
                </p>
                ${link.testedAt ? html`<p class="quiet">A test worked, ${moment(link.testedAt)}.</p>` : ''}
                ${buttonForm(`${path}/test`, 'Test sign-in', { look: link.testedAt ? '' : 'primary' })}`
            : html`<p class="quiet">Once the settings are there.</p>`
        }
      </section>
      <p class="quiet">This link is good until ${moment(link.expiresAt)}.</p>`,
  )
}

/** `GET /setup/:token/settings`. */
export const setupSettings: Endpoint = async (exchange) =>
  settingsPage(exchange, await invited(exchange))

/** `POST /setup/:token/settings`: checks and saves them. */
export const saveSetupSettings: Endpoint = async (exchange) => {
  const { services, form, requestId } = exchange
  const found = await invited(exchange)
  await countUse(services.db, 'set_up_checks', found.link.id, services.clock.now())
  try {
    await saveAnswers(services, found.connection, form, { linkId: found.link.id, requestId })
  } catch (thrown) {
    return settingsPage(exchange, found, { problems: problemsOf(thrown), given: form })
  }
  return seeOther(found.path)
}

async function settingsPage(
  { services }: Exchange,
  { connection, path }: Invited,
  refused?: Refused,
): Promise<Response> {
  return setupPage(
    connection,
    html`<h1>Set up <bdi>${connection.name}</bdi></h1>
      ${await settingsForm(services, connection, { action: `${path}/settings`, refused })}
      <p><a href="${path}">Back</a></p>`,
    refused ? 422 : 200,
  )
}

/** `POST /setup/:token/test`: begins a test sign-in. */
export const testSetup: Endpoint = async (exchange) => {
  const { services } = exchange
  const { connection, link, path } = await invited(exchange)
  await countUse(services.db, 'set_up_checks', link.id, services.clock.now())
  const { version } = await readLatest(services, connection)
  return beginTest(exchange, connection, {
    version,
    by: { linkId: link.id, back: `${path}/test` },
  })
}

/** `GET /setup/:token/test`: how it went. */
export const testedSetup: Endpoint = async (exchange) => {
  const { connection, link, path } = await invited(exchange)
  const { proof, body } = await showTest(exchange, connection, { by: { linkId: link.id } })
  return setupPage(
    connection,
    html`${body}
      ${
        proof
          ? html`<p>
              That is all. Tell <bdi>${connection.organization.name}</bdi> that it works; they
              switch it on.
            </p>`
          : ''
      }
      <div class="row">
        <a class="button ${proof ? 'primary' : ''}" href="${path}">Back</a>
        ${proof ? '' : html`<a href="${path}/settings">Change the settings</a>`}
        ${buttonForm(`${path}/test`, 'Test again')}
      </div>`,
  )
}

function setupPage({ organization }: Connection, body: Html, status = 200): Promise<Response> {
  return page({ title: `Set-up for ${organization.name}`, status, wide: true }, body)
}
