import {
  countProvisioned,
  listPutOut,
  putOutListed,
  type ProvisionedCounts,
  type PutOut,
} from '../accounts/scim-people.ts'
import {
  createScimToken,
  listScimTokens,
  readScimSettings,
  scimMatches,
  scimTokensAtOnce,
  setScimMatch,
  switchScim,
  withdrawScimToken,
  type ScimDoing,
  type ScimMatch,
  type ScimToken,
} from '../accounts/scim-tokens.ts'
import { scimPath } from '../api/scim.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { overruleDirectory } from '../sessions/deactivation.ts'
import { problemsOf } from './connection-form.ts'
import {
  administeredConnection,
  connectionPath,
  connectionsPath,
  type Administered,
} from './organization-connections.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { ago, moment } from './time.ts'

const tab = '/provisioning'

/** By what entries and sign-ins are matched, in the words of the page. */
const matchWords: Readonly<Record<ScimMatch, string>> = {
  userName: 'userName is what the provider calls them when they sign in (sub, or NameID)',
  externalId: 'externalId is what the provider calls them when they sign in (sub, or NameID)',
  oid: 'externalId is their object ID, the claim “oid” (Microsoft Entra ID by OpenID Connect)',
}

/** What fits the presets; others by the name. */
const usualMatch: Readonly<Record<string, ScimMatch>> = {
  entra: 'oid',
  'entra-saml': 'externalId',
  okta: 'externalId',
}

/** `GET …/provisioning`: whether a directory says who belongs, with which tokens, and what it has said. */
export const organizationProvisioning: Endpoint = async (exchange) =>
  provisioningPage(exchange, await administeredConnection(exchange))

async function provisioningPage(
  exchange: Exchange,
  administered: Administered,
  problems: readonly string[] = [],
): Promise<Response> {
  const { connection } = administered
  const { services } = exchange
  const now = services.clock.now()
  const { since, match } = await readScimSettings(services.db, connection.id)
  const path = pathOf(administered)
  const tokens = await listScimTokens(services.db, connection.id, now)
  const counts = await countProvisioned(services.db, connection.id)
  const putOut = await listPutOut(services.db, connection.id)
  const said = counts.active + counts.waiting + counts.putOut + counts.groups > 0
  const chosen = since || said ? match : (usualMatch[connection.preset ?? ''] ?? match)
  return pageOf(
    exchange,
    administered,
    { title: 'Provisioning', status: problems.length > 0 ? 422 : 200 },
    html`<h1>
        Provisioning for <bdi>${connection.name}</bdi>
        <span class="mark">${since ? 'On' : 'Off'}</span>
      </h1>
      <p class="lead">
        Your identity provider’s directory says who belongs to your organization, by SCIM 2.0:
        whoever it names may sign in, and whoever it deactivates or deletes is signed out at once
        and stays out.
      </p>
      ${problems.map((problem) => html`<p class="notice" role="alert">${problem}</p>`)}
      ${since ? addressSection(exchange, administered) : ''}
      ${since ? tokensSection(path, tokens, now) : ''} ${matchSection(path, chosen, since !== null)}
      ${said ? countsSection(counts) : ''} ${putOut.length > 0 ? putOutSection(path, putOut) : ''}
      ${
        since
          ? html`<section aria-labelledby="off">
              <h2 id="off">No more of it</h2>
              <p><a class="button danger" href="${path}/off">Switch it off…</a></p>
            </section>`
          : ''
      }
      <p>
        <a href="${connectionPath(administered.organization, connection)}"
          >Back to the connection</a
        >
      </p>`,
  )
}

function addressSection({ services }: Exchange, { organization, connection }: Administered): Html {
  return html`<section aria-labelledby="address">
    <h2 id="address">For your directory</h2>
    <p class="quiet">Its address here, called base URL, tenant URL or endpoint there:</p>
    <pre tabindex="0"><code>${services.origin}${scimPath}/${connection.id}</code></pre>
    <p class="quiet">
      Groups give roles where a rule says so, such as <code>admin: groups = Administrators</code>.
      <a href="${organizationPath(organization, `/joining/${connection.id}`)}">Rules for roles</a>
    </p>
  </section>`
}

function tokensSection(path: string, tokens: readonly ScimToken[], now: Date): Html {
  return html`<section aria-labelledby="tokens">
    <h2 id="tokens">Tokens</h2>
    <p class="quiet">
      With a token the directory shows that it is yours. There can be two, so that one can take the
      other’s place.
    </p>
    ${
      tokens.length > 0
        ? html`<ul>
            ${tokens.map((token) => tokenRow(path, token, now))}
          </ul>`
        : html`<p class="quiet">There is none: the directory cannot say anything.</p>`
    }
    ${tokens.length < scimTokensAtOnce ? buttonForm(`${path}/tokens`, 'Make a token', { look: tokens.length === 0 ? 'primary' : '' }) : ''}
  </section>`
}

/** The end of its id is what a token can be told by: it stands in the token too. */
function tokenRow(
  path: string,
  { id, createdAt, createdBy, expiresAt, lastUsedAt }: ScimToken,
  now: Date,
): Html {
  return html`<li>
    <div id="token-${id}">
      <strong>sp_scim_…<code>${id.slice(-4)}</code>_…</strong>
      <p class="quiet">
        Made ${moment(createdAt)}${createdBy ? html` by <bdi>${createdBy}</bdi>` : ''}. Good until
        ${moment(expiresAt)}.
        ${lastUsedAt ? html`Last used ${ago(lastUsedAt, now)}.` : 'Not used yet.'}
      </p>
    </div>
    ${buttonForm(`${path}/tokens/withdraw`, 'Withdraw', {
      look: 'danger',
      fields: { token: id },
      describedBy: `token-${id}`,
    })}
  </li>`
}

function matchSection(path: string, chosen: ScimMatch, on: boolean): Html {
  return html`<section aria-labelledby="match">
    <h2 id="match">Who is who</h2>
    <p class="quiet">
      An entry of the directory is matched to whoever signs in by the provider’s own name for them,
      exactly. An e-mail address counts for nothing.
    </p>
    <form method="post" action="${path}">
      <fieldset>
        <legend>In your directory</legend>
        ${scimMatches.map(
          (value) =>
            html`<div class="tick">
              <input
                type="radio"
                id="match-${value}"
                name="match"
                value="${value}"
                ${value === chosen ? 'checked' : ''}
              />
              <label for="match-${value}">${matchWords[value]}</label>
            </div>`,
        )}
      </fieldset>
      <button class="${on ? '' : 'primary'}" name="choice" value="on">
        ${on ? 'Save' : 'Switch provisioning on'}
      </button>
    </form>
  </section>`
}

function countsSection({ active, waiting, putOut, groups }: ProvisionedCounts): Html {
  return html`<section aria-labelledby="said">
    <h2 id="said">What the directory has said</h2>
    <dl class="figures">
      <div>
        <dt>belong, and have signed in</dt>
        <dd>${active}</dd>
      </div>
      <div>
        <dt>belong, and have not yet</dt>
        <dd>${waiting}</dd>
      </div>
      <div>
        <dt>are put out</dt>
        <dd>${putOut}</dd>
      </div>
      <div>
        <dt>groups</dt>
        <dd>${groups}</dd>
      </div>
    </dl>
  </section>`
}

function putOutSection(path: string, people: readonly PutOut[]): Html {
  return html`<section aria-labelledby="out">
    <h2 id="out">Put out</h2>
    <p class="quiet">
      They cannot sign in to your organization, and an invitation does not change that. If the
      directory is wrong, let them in here: that counts until it says something else of them.
    </p>
    <ul>
      ${people.map(
        ({ id, userName, deleted, known, at }) =>
          html`<li>
            <div id="entry-${id}">
              <bdi>${userName}</bdi>
              <p class="quiet">
                ${deleted ? 'Deleted' : 'Deactivated'}
                ${moment(at)}.${known ? '' : ' Has never signed in.'}
              </p>
            </div>
            ${buttonForm(`${path}/people/${id}/let-in`, 'Let them in', { describedBy: `entry-${id}` })}
          </li>`,
      )}
    </ul>
    ${people.length === putOutListed ? html`<p class="quiet">These are the latest ${putOutListed}.</p>` : ''}
  </section>`
}

/** `POST …/provisioning`: switches it on or off, or says who is who. */
export const setProvisioning: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const administered = await administeredConnection(exchange)
  const { choice, match = '' } = form
  const now = services.clock.now()
  const doing = doingOf(exchange, administered)
  if (choice === 'off') {
    await services.db.transaction().execute((tx) => switchScim(tx, doing, false, now))
    return seeOther(pathOf(administered))
  }
  const chosen = scimMatches.find((one) => one === match)
  if (choice !== 'on' || !chosen) throw new AppError('invalid_request', { reason: 'no_choice' })
  try {
    await services.db.transaction().execute(async (tx) => {
      await setScimMatch(tx, doing, chosen, now)
      await switchScim(tx, doing, true, now)
    })
  } catch (thrown) {
    return provisioningPage(exchange, administered, problemsOf(thrown))
  }
  return seeOther(pathOf(administered))
}

/** `GET …/provisioning/off`: says what switching it off does, and asks. */
export const askSwitchOff: Endpoint = async (exchange) => {
  const administered = await administeredConnection(exchange)
  const path = pathOf(administered)
  return pageOf(
    exchange,
    administered,
    { title: 'Switch provisioning off?' },
    html`<h1>Switch provisioning off?</h1>
      <ul class="plain">
        <li>The directory’s tokens are void at once; switching it on again takes new ones.</li>
        <li>Whoever is signed in stays so, and nobody is put out any more when they leave.</li>
        <li>Whom the directory has put out stays out, unless you let them in.</li>
        <li>Whoever has not signed in yet needs an invitation, or to be let in by who may join.</li>
      </ul>
      <div class="row">
        ${buttonForm(path, 'Switch it off', { look: 'danger', fields: { choice: 'off' } })}
        <a href="${path}">Leave it as it is</a>
      </div>`,
  )
}

/** `POST …/provisioning/tokens`: makes a token and shows it, once. */
export const makeScimToken: Endpoint = async (exchange) => {
  const { services } = exchange
  const administered = await administeredConnection(exchange)
  const { since } = await readScimSettings(services.db, administered.connection.id)
  if (!since) throw new AppError('changed_meanwhile', { reason: 'provisioning_off' })
  const doing = doingOf(exchange, administered)
  const made = await services.db
    .transaction()
    .execute((tx) => createScimToken(tx, doing, services.clock.now()))
  if (!made) throw new AppError('changed_meanwhile', { reason: 'tokens_at_once' })
  return pageOf(
    exchange,
    administered,
    { title: 'A token' },
    html`<h1>Give this token to your directory</h1>
      <p>
        It says who belongs to your organization with it, until ${moment(made.expiresAt)}. It is
        shown now and never again.
      </p>
      <pre tabindex="0"><code>${made.token}</code></pre>
      <p><a class="button" href="${pathOf(administered)}">I have passed it on</a></p>`,
  )
}

/** `POST …/provisioning/tokens/withdraw`. */
export const withdrawToken: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const administered = await administeredConnection(exchange)
  const doing = doingOf(exchange, administered)
  const withdrawn = await services.db
    .transaction()
    .execute((tx) => withdrawScimToken(tx, doing, form['token'] ?? '', services.clock.now()))
  if (!withdrawn) throw new AppError('not_found', { reason: 'unknown_token' })
  return seeOther(pathOf(administered))
}

/** `POST …/provisioning/people/:entry/let-in`: an administrator’s word over the directory’s. */
export const letInAnyway: Endpoint = async (exchange) => {
  const { services, params, asker, requestId } = exchange
  const administered = await administeredConnection(exchange)
  const { organization, connection } = administered
  const letIn = await overruleDirectory(
    services,
    {
      organizationId: organization.id,
      connectionId: connection.id,
      entryId: params['entry'] ?? '',
      role: organization.role,
    },
    { userId: asker.session!.person.id, requestId },
    services.clock.now(),
  )
  if (!letIn) throw new AppError('not_found', { reason: 'unknown_entry' })
  return seeOther(pathOf(administered))
}

/** How a connection’s provisioning stands, for the page about the connection. */
export async function provisioningSection(
  { services }: Exchange,
  administered: Administered,
): Promise<Html> {
  const now = services.clock.now()
  const { connection } = administered
  const { since } = await readScimSettings(services.db, connection.id)
  const tokens = await listScimTokens(services.db, connection.id, now)
  const last = tokens
    .map(({ lastUsedAt }) => lastUsedAt)
    .filter((at) => at !== null)
    .sort((a, b) => b.getTime() - a.getTime())[0]
  return html`<section aria-labelledby="provisioning">
    <h2 id="provisioning">Provisioning</h2>
    <p>
      ${since ? 'Your directory says who belongs to your organization, by SCIM.' : 'Your directory can say who belongs to your organization, by SCIM: whoever leaves it is out here at once.'}
      ${since ? (last ? html`It last asked or said something ${ago(last, now)}.` : 'It has not said anything yet.') : ''}
    </p>
    <p>
      <a class="button" href="${pathOf(administered)}">${since ? 'Provisioning' : 'Set it up'}</a>
    </p>
  </section>`
}

function pathOf({ organization, connection }: Administered): string {
  return connectionPath(organization, connection, tab)
}

function doingOf(
  { asker, requestId }: Exchange,
  { organization, connection }: Administered,
): ScimDoing {
  return {
    organizationId: organization.id,
    connectionId: connection.id,
    actorId: asker.session!.person.id,
    requestId,
  }
}

function pageOf(
  exchange: Exchange,
  { organization }: Administered,
  options: { readonly title: string; readonly status?: number },
  body: Html,
): Promise<Response> {
  return organizationPage(exchange, organization, { ...options, current: connectionsPath }, body)
}
