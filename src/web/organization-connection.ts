import { listVersions } from '../accounts/connections.ts'
import { countLinked, type LinkedCounts } from '../accounts/linked.ts'
import { listSetupLinks, type SetupLink } from '../accounts/setup-links.ts'
import { readLatest, saveAnswers } from '../flows/set-up.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { knowSettings } from '../providers/index.ts'
import { canBe } from '../sessions/connection-states.ts'
import { problemsOf, settingsForm, settingsSection, type Refused } from './connection-form.ts'
import { organizationPage, organizationPath } from './organization.ts'
import {
  administeredConnection,
  connectionPath,
  connectionStates,
  connectionsPath,
  providerName,
  type Administered,
} from './organization-connections.ts'
import { joiningWords } from './organization-joining.ts'
import { provisioningSection } from './organization-provisioning.ts'
import { secretSection } from './organization-secret.ts'
import { checkingSection } from './organization-verification.ts'
import { samlKeysSection } from './organization-saml.ts'
import { signalsSection } from './organization-signals.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { beginTest, finishTest, showTest } from './test-sign-in.ts'
import { ago, moment } from './time.ts'

type Latest = Awaited<ReturnType<typeof readLatest>>

/** `GET /organizations/:org/connections/:connection`: how a connection stands, and what comes next. */
export const oneConnection: Endpoint = async (exchange) => {
  const administered = await administeredConnection(exchange)
  const { organization, connection } = administered
  const { services } = exchange
  const now = services.clock.now()
  const which = { organizationId: organization.id, connectionId: connection.id }
  const latest = await readLatest(services, connection)
  const links = await listSetupLinks(services.db, connection.id, now)
  const counts = await countLinked(services.db, which)
  const versions = await listVersions(services.db, connection.id)
  return connectionPage(
    exchange,
    administered,
    connection.name,
    html`<h1>
        <bdi>${connection.name}</bdi>
        <span class="mark">${connectionStates[connection.state]}</span>
      </h1>
      <p class="quiet">${providerName(connection)}</p>
      ${nextSection(administered, latest)}
      <section aria-labelledby="settings">
        <h2 id="settings">Settings</h2>
        ${settingsSection(connection, latest)}
        <p>
          <a class="button" href="${connectionPath(organization, connection, '/settings')}"
            >Change the settings</a
          >
        </p>
        ${
          versions.length > 1
            ? html`<details>
                <summary>Earlier versions</summary>
                <ul>
                  ${versions.map(
                    ({ version, savedAt, savedBy }) =>
                      html`<li>
                        <div>
                          Version ${version}
                          <p class="quiet">
                            ${moment(savedAt)}${savedBy ? html`, <bdi>${savedBy}</bdi>` : ''}
                          </p>
                        </div>
                        ${version === connection.configVersion ? html`<span class="mark">In use</span>` : ''}
                      </li>`,
                  )}
                </ul>
              </details>`
            : ''
        }
      </section>
      ${joiningSection(administered)} ${await secretSection(exchange, administered)}
      ${await checkingSection(exchange, administered)}
      ${await samlKeysSection(exchange, organization, connection)}
      ${await signalsSection(exchange, administered)}
      ${await provisioningSection(exchange, administered)} ${linkedSection(administered, counts)}
      ${linkSection(administered, links, now)} ${endSection(administered)}`,
  )
}

/** The one thing to do next. */
function nextSection({ organization, connection }: Administered, latest: Latest): Html {
  const path = (rest: string) => connectionPath(organization, connection, rest)
  const { state, testedVersion, configVersion } = connection
  const complete = knowSettings(connection.kind, latest.settings) !== undefined
  const waiting = latest.version !== configVersion
  const tested = testedVersion === latest.version
  const test = (look: 'primary' | '') => buttonForm(path('/test'), 'Test sign-in', { look })
  const section = (title: string, body: Html) =>
    html`<section aria-labelledby="next">
      <h2 id="next">${title}</h2>
      ${body}
    </section>`
  if (!complete)
    return section(
      'Enter what the provider gives you',
      html`<p>The page says what to do at the provider, step by step.</p>
        <p><a class="button primary" href="${path('/settings')}">Go there</a></p>`,
    )
  if (state === 'draft')
    return section(
      'Test it',
      html`<p>
          You sign in at the provider, and see what it says of you. Nobody is signed in by that, and
          nothing is linked.
        </p>
        ${test('primary')}`,
    )
  if (state === 'tested')
    return section(
      'Switch it on',
      html`<p>The test sign-in worked. Choose below who may join, then switch it on.</p>
        <div class="row">
          <form method="post" action="${path('/activate')}">
            <p class="tick">
              <input type="checkbox" id="mail" name="mail" value="yes" checked />
              <label for="mail"
                >Mail everybody who is not linked here yet how to link their account</label
              >
            </p>
            <button class="primary">Switch it on</button>
          </form>
          ${test('')}
        </div>`,
    )
  if (waiting)
    return section(
      tested ? 'Use the new settings' : 'Test the new settings',
      html`<p>
          Version ${latest.version} of the settings is not in use yet: people sign in by version
          ${configVersion}.
          ${tested ? 'It worked when you tested it. Whoever is signed in through this connection signs in again once it is in use.' : ''}
        </p>
        <div class="row">
          ${
            tested
              ? buttonForm(path('/versions'), html`Use version ${latest.version}`, {
                  look: 'primary',
                  fields: { version: String(latest.version) },
                })
              : ''
          }
          ${test(tested ? '' : 'primary')}
        </div>`,
    )
  return section(
    state === 'active' ? 'It is in use' : 'It is switched off',
    html`<p>
        ${state === 'active' ? 'People sign in through it.' : 'Nobody can sign in through it. Who is linked stays linked.'}
        ${testedVersion === configVersion ? '' : 'These settings have not been tested here.'}
      </p>
      <div class="row">
        ${canBe('enable', state) ? buttonForm(path('/enable'), 'Switch it on again', { look: 'primary' }) : ''}
        ${test('')}
        <a
          href="${organizationPath(organization, `/sign-ins?outcome=all&connection=${connection.id}`)}"
          >Sign-ins through it</a
        >
      </div>`,
  )
}

function joiningSection({ organization, connection }: Administered): Html {
  return html`<section aria-labelledby="joining">
    <h2 id="joining">Who may join</h2>
    <p>${joiningWords[connection.provisioning]}.</p>
    <p>
      <a class="button" href="${organizationPath(organization, `/joining/${connection.id}`)}"
        >Change who may join, and as what</a
      >
    </p>
  </section>`
}

function linkedSection(
  { organization, connection }: Administered,
  { here, elsewhere, nowhere }: LinkedCounts,
): Html {
  return html`<section aria-labelledby="linked">
    <h2 id="linked">Who is linked</h2>
    <dl class="figures">
      <div>
        <dt>linked here</dt>
        <dd>${here}</dd>
      </div>
      <div>
        <dt>linked elsewhere only</dt>
        <dd>${elsewhere}</dd>
      </div>
      <div>
        <dt>linked nowhere</dt>
        <dd>${nowhere}</dd>
      </div>
    </dl>
    <p>
      <a href="${connectionPath(organization, connection, '/people')}"
        >Who would be locked out if this were the only way in</a
      >
    </p>
  </section>`
}

function linkSection(
  { organization, connection }: Administered,
  links: readonly SetupLink[],
  now: Date,
): Html {
  const path = connectionPath(organization, connection, '/links')
  return html`<section aria-labelledby="link">
    <h2 id="link">Somebody else sets it up?</h2>
    <p class="quiet">
      A set-up link lets whoever runs your identity provider enter the settings and test them,
      without an account here. They see nothing else and cannot switch it on. It is good for seven
      days.
    </p>
    ${
      links.length > 0
        ? html`<ul>
            ${links.map(
              ({ id, expiresAt, testedAt }) =>
                html`<li>
                  <div>
                    Good until ${moment(expiresAt)}
                    ${testedAt ? html`<p class="quiet">A test by way of it worked ${ago(testedAt, now)}.</p>` : ''}
                  </div>
                  ${buttonForm(`${path}/withdraw`, 'Withdraw', { look: 'danger', fields: { link: id } })}
                </li>`,
            )}
          </ul>`
        : ''
    }
    ${buttonForm(path, 'Make a set-up link')}
  </section>`
}

function endSection({ organization, connection }: Administered): Html {
  const path = (rest: string) => connectionPath(organization, connection, rest)
  return html`<section aria-labelledby="rest">
    <h2 id="rest">Name, and the end</h2>
    <form method="post" action="${path('/rename')}">
      <label for="name">Name</label>
      <input
        id="name"
        name="name"
        value="${connection.name}"
        maxlength="100"
        required
        autocomplete="off"
      />
      <button>Rename</button>
    </form>
    <p class="row">
      ${canBe('disable', connection.state) ? html`<a href="${path('/disable')}">Switch it off…</a>` : ''}
      ${canBe('delete', connection.state) ? html`<a href="${path('/delete')}">Delete it…</a>` : ''}
    </p>
  </section>`
}

/** `GET …/settings`: what to do at the provider, and the form. */
export const connectionSettings: Endpoint = async (exchange) =>
  settingsPage(exchange, await administeredConnection(exchange))

/** `POST …/settings`: checks and saves them. */
export const saveConnectionSettings: Endpoint = async (exchange) => {
  const { services, form, asker, requestId } = exchange
  const administered = await administeredConnection(exchange)
  const { organization, connection } = administered
  const by = { userId: asker.session!.person.id, requestId }
  try {
    await saveAnswers(services, connection, form, by)
  } catch (thrown) {
    return settingsPage(exchange, administered, { problems: problemsOf(thrown), given: form })
  }
  return seeOther(connectionPath(organization, connection))
}

async function settingsPage(
  exchange: Exchange,
  administered: Administered,
  refused?: Refused,
): Promise<Response> {
  const { organization, connection } = administered
  const action = connectionPath(organization, connection, '/settings')
  return connectionPage(
    exchange,
    administered,
    `Set up ${connection.name}`,
    html`<h1>Set up <bdi>${connection.name}</bdi></h1>
      ${await settingsForm(exchange.services, connection, { action, refused })}
      <p><a href="${connectionPath(organization, connection)}">Back to the connection</a></p>`,
    refused ? 422 : 200,
  )
}

/** `POST …/test`: begins a test sign-in with the newest settings. */
export const testConnection: Endpoint = async (exchange) => {
  const { organization, connection } = await administeredConnection(exchange)
  const { version } = await readLatest(exchange.services, connection)
  const back = connectionPath(organization, connection, '/test')
  const by = { userId: exchange.asker.session!.person.id, back }
  return beginTest(exchange, connection, { version, by })
}

/** `GET …/test`: how it went. */
export const testedConnection: Endpoint = async (exchange) => {
  const administered = await administeredConnection(exchange)
  const { organization, connection } = administered
  const path = (rest: string) => connectionPath(organization, connection, rest)
  const by = { userId: exchange.asker.session!.person.id }
  const { proof, body } = await showTest(exchange, connection, { by })
  const state = exchange.url.searchParams.get('state') ?? ''
  return connectionPage(
    exchange,
    administered,
    'A test sign-in',
    html`${body}
      ${
        proof
          ? html`<section aria-labelledby="own">
              <h2 id="own">Is this you?</h2>
              <p>
                Link it to your account, <bdi>${exchange.asker.session!.person.name}</bdi>, and you
                can sign in this way yourself. Do it only if you tested as yourself: it cannot be
                moved to somebody else later.
              </p>
              ${buttonForm(path('/test/own'), 'Link it to my account', { fields: { state } })}
            </section>`
          : ''
      }
      <div class="row">
        <a class="button ${proof ? 'primary' : ''}" href="${path('')}">Back to the connection</a>
        ${proof ? '' : html`<a href="${path('/settings')}">Change the settings</a>`}
        ${buttonForm(path('/test'), 'Test again')}
      </div>`,
  )
}

/** `POST …/test/own`: links what was tested to the administrator's account. */
export const ownTestedIdentity: Endpoint = async (exchange) => {
  const { organization, connection } = await administeredConnection(exchange)
  await finishTest(exchange, connection, exchange.form['state'] ?? null)
  return seeOther(connectionPath(organization, connection))
}

/** A page about one connection. */
export function connectionPage(
  exchange: Exchange,
  { organization }: Administered,
  title: string,
  body: Html,
  status = 200,
): Promise<Response> {
  const options = { title, current: connectionsPath, status }
  return organizationPage(exchange, organization, options, body)
}
