import { setSigningOut, type Connection, type SigningOut } from '../accounts/connections.ts'
import { countDisabled } from '../accounts/signalled.ts'
import { findStream, type SignalStream } from '../accounts/signal-streams.ts'
import { signedOutUriOf } from '../flows/provider-logout.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import type { Provider } from '../providers/provider.ts'
import type { Actor } from '../sessions/revoke.ts'
import { checkStream, removeStream, setUpStream } from '../verification/signal-set-up.ts'
import { problemList, problemsOf, type Refused } from './connection-form.ts'
import {
  administeredConnection,
  connectionPath,
  connectionsPath,
  type Administered,
} from './organization-connections.ts'
import { organizationPage } from './organization.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { ago, moment } from './time.ts'

/** Something an administrator can do here: what is asked first, and what is done. */
interface Act {
  readonly question: string
  readonly consequence: string
  readonly label: string
  readonly danger?: true
  run(exchange: Exchange, connection: Connection, actor: Actor): Promise<unknown>
}

function signingOut(change: SigningOut): Act['run'] {
  return ({ services: { db, clock } }, connection, { userId, requestId }) =>
    db
      .transaction()
      .execute((tx) =>
        setSigningOut(tx, connection, change, { actorId: userId, requestId }, clock.now()),
      )
}

/** Everything that can be done beside setting up, by its part of the address. */
const acts = {
  verify: {
    question: 'Check that signals arrive?',
    consequence:
      'The provider is asked to send an event that means nothing but that it arrives. This happens every day by itself.',
    label: 'Check it now',
    run: ({ services }, connection) => checkStream(services, connection),
  },
  remove: {
    question: 'Give shared signals up?',
    consequence:
      'The provider is told to send none any more. Whoever is suspended there is then noticed only when the provider is asked again. People whom its signals keep out can sign in again, if the provider lets them.',
    label: 'Give them up',
    danger: true,
    run: ({ services }, connection, actor) => removeStream(services, connection, actor),
  },
  framed: {
    question: 'Let the provider’s page end sessions here?',
    consequence:
      'When somebody signs out at the provider, its page opens an address of ours in a frame, and this browser’s session ends. Browsers send our cookie along only where provider and application share a site, such as login.example.com and app.example.com; everywhere else nothing happens. Back-channel logout works everywhere.',
    label: 'Let it',
    run: signingOut({ frontchannelLogout: true }),
  },
  unframed: {
    question: 'No more sessions ended by the provider’s page?',
    consequence: 'Its frame changes nothing any more.',
    label: 'No more',
    run: signingOut({ frontchannelLogout: false }),
  },
  there: {
    question: 'Lead people to the provider when they sign out?',
    consequence:
      'Whoever signs out here is signed out here at once, and then led to the provider’s own page for signing out. For that, the ID token of each sign-in is kept, sealed, as long as its session.',
    label: 'Lead them there',
    run: signingOut({ signOutThere: true }),
  },
  here: {
    question: 'Sign people out here only?',
    consequence: 'Whoever signs out stays signed in at the provider.',
    label: 'Here only',
    run: signingOut({ signOutThere: false }),
  },
} as const satisfies Record<string, Act>

/** `GET …/signals`: what the provider tells us unasked, and how signing out there and here belong together. */
export const organizationSignals: Endpoint = async (exchange) =>
  signalsPage(exchange, await administeredConnection(exchange))

/** `GET …/signals/:act`: asks, and says what it will do. */
export const askSignals: Endpoint = async (exchange) => {
  const administered = await administeredConnection(exchange)
  const { organization, connection } = administered
  const { question, consequence, label, danger } = actOf(exchange)
  const path = pathOf(administered)
  const options = { title: question, current: connectionsPath }
  return organizationPage(
    exchange,
    organization,
    options,
    html`<h1>${question}</h1>
      <p class="lead"><bdi>${connection.name}</bdi>: ${consequence}</p>
      <div class="row">
        ${buttonForm(`${path}/${exchange.params['act']}`, label, { look: danger ? 'danger' : 'primary' })}
        <a href="${connectionPath(organization, connection, '/signals')}">Leave it as it is</a>
      </div>`,
  )
}

/** `POST …/signals/:act`: does it; `set-up` reads the form. */
export const changeSignals: Endpoint = async (exchange) => {
  const { services, asker, params, form, requestId } = exchange
  const administered = await administeredConnection(exchange)
  const { connection } = administered
  const actor = { userId: asker.session!.person.id, requestId }
  try {
    if (params['act'] === 'set-up') {
      const { issuer = '', token: accessToken = '' } = form
      const delivery = form['delivery'] === 'poll' ? 'poll' : 'push'
      const answers = { issuer: issuer.trim(), accessToken, delivery } as const
      await setUpStream(services, connection, answers, actor)
    } else await actOf(exchange).run(exchange, connection, actor)
  } catch (thrown) {
    return signalsPage(exchange, administered, { problems: problemsOf(thrown), given: form })
  }
  return seeOther(pathOf(administered))
}

function actOf({ params }: Exchange): Act {
  const name = params['act'] ?? ''
  if (!Object.hasOwn(acts, name)) throw new AppError('not_found', { reason: 'no_such_act' })
  return acts[name as keyof typeof acts]
}

function pathOf({ organization, connection }: Administered): string {
  return connectionPath(organization, connection, '/signals')
}

/** How a connection's signals stand, for the page about the connection. */
export async function signalsSection(
  exchange: Exchange,
  administered: Administered,
): Promise<Html> {
  const { services } = exchange
  const stream = await findStream(services.db, administered.connection.id)
  return html`<section aria-labelledby="signals">
    <h2 id="signals">Shared signals and signing out</h2>
    <p>
      ${
        stream
          ? standing(stream, services.clock.now())
          : 'The provider is asked about people now and then. With shared signals it tells by itself when somebody is suspended.'
      }
    </p>
    <p><a class="button" href="${pathOf(administered)}">See shared signals and signing out</a></p>
  </section>`
}

function standing(
  { status, verifiedAt, failingSince, lastEventAt }: SignalStream,
  now: Date,
): Html {
  if (status !== 'enabled') return html`The provider has ${status} its shared signals.`
  if (failingSince)
    return html`Shared signals do not work; the trouble began ${ago(failingSince, now)}.`
  if (!verifiedAt)
    return html`Shared signals are set up. It has not been shown yet that they arrive.`
  const last = lastEventAt ? html` The last event came ${ago(lastEventAt, now)}.` : ''
  return html`Shared signals arrive: shown ${ago(verifiedAt, now)}.${last}`
}

async function signalsPage(
  exchange: Exchange,
  administered: Administered,
  refused?: Refused,
): Promise<Response> {
  const { services } = exchange
  const { organization, connection } = administered
  const stream = await findStream(services.db, connection.id)
  const title = `What ${connection.name} tells us`
  return organizationPage(
    exchange,
    organization,
    { title, current: connectionsPath, status: refused ? 422 : 200 },
    html`<h1>What <bdi>${connection.name}</bdi> tells us</h1>
      <p class="lead">
        Providers are asked about people now and then. Some also tell by themselves when somebody is
        suspended or signs out, and then it takes a moment instead of an hour.
      </p>
      ${refused ? problemList(refused.problems) : ''}
      ${
        stream
          ? await streamSection(exchange, administered, stream)
          : setUpSection(administered, refused?.given)
      }
      ${signingOutSection(exchange, administered, await abilitiesOf(exchange, connection))}
      <p><a href="${connectionPath(organization, connection)}">Back to the connection</a></p>`,
  )
}

async function streamSection(
  { services: { db, clock } }: Exchange,
  administered: Administered,
  stream: SignalStream,
): Promise<Html> {
  const path = pathOf(administered)
  const out = await countDisabled(db, administered.connection.id)
  const { issuer, delivery, verifiedAt, lastEvent, lastEventAt, failingSince, failingReason } =
    stream
  const row = (name: string, value: Html | string) =>
    html`<dt>${name}</dt>
      <dd>${value}</dd>`
  return html`<section aria-labelledby="stream">
    <h2 id="stream">Shared signals</h2>
    ${
      failingSince
        ? html`<p class="notice">
            They have not worked since ${moment(failingSince)}: <bdi>${failingReason ?? ''}</bdi>.
          </p>`
        : ''
    }
    <p>${standing(stream, clock.now())}</p>
    <dl>
      ${row('Transmitter', html`<bdi>${issuer}</bdi>`)}
      ${row('Delivery', delivery === 'push' ? 'It sends events to us' : 'We fetch events every 15 seconds')}
      ${row('State', html`${stream.status}${stream.statusReason ? html` (<bdi>${stream.statusReason}</bdi>)` : ''}`)}
      ${row('Shown to work', verifiedAt ? moment(verifiedAt) : 'not yet')}
      ${row('Last event', lastEventAt ? html`${lastEvent}, ${moment(lastEventAt)}` : 'none yet')}
      ${row('Kept out by its signals', out === 1 ? '1 person' : `${out} people`)}
    </dl>
    <div class="row">
      ${buttonForm(`${path}/verify`, 'Check that signals arrive', { look: 'primary' })}
      <a href="${path}/remove">Give shared signals up…</a>
    </div>
  </section>`
}

function setUpSection(
  administered: Administered,
  given: Readonly<Record<string, string | undefined>> = {},
): Html {
  const poll = given['delivery'] === 'poll'
  return html`<section aria-labelledby="stream">
    <h2 id="stream">Set shared signals up</h2>
    <p class="quiet">
      For providers that are transmitters of the OpenID Shared Signals Framework (CAEP, RISC). Ask
      yours for its transmitter’s address and an access token for its stream configuration.
    </p>
    <form method="post" action="${pathOf(administered)}/set-up">
      <label for="issuer">Transmitter</label>
      <input
        id="issuer"
        name="issuer"
        value="${given['issuer'] ?? ''}"
        required
        autocomplete="off"
        autocapitalize="off"
        spellcheck="false"
        aria-describedby="issuer-help"
      />
      <p id="issuer-help" class="quiet">
        Its issuer, an https address such as <code>https://idp.example.com</code>.
      </p>
      <label for="token">Access token</label>
      <input
        id="token"
        name="token"
        type="password"
        required
        autocomplete="off"
        aria-describedby="token-help"
      />
      <p id="token-help" class="quiet">
        Kept sealed. Where the provider wants another kind of authorization, enter the whole value
        of the header.
      </p>
      <label for="delivery">Delivery</label>
      <select id="delivery" name="delivery">
        <option value="push" ${poll ? '' : 'selected'}>The provider sends events to us</option>
        <option value="poll" ${poll ? 'selected' : ''}>
          We fetch them, for a server that the provider cannot reach
        </option>
      </select>
      <button class="primary">Set up</button>
    </form>
  </section>`
}

/** What a connection's provider can do about signing out; nothing where its settings are not complete. */
async function abilitiesOf({ services }: Exchange, { id }: Connection): Promise<Partial<Provider>> {
  try {
    return await services.provider(id)
  } catch (thrown) {
    if (thrown instanceof AppError) return {}
    throw thrown
  }
}

function signingOutSection(
  { services: { origin } }: Exchange,
  administered: Administered,
  { readLogout, frames }: Partial<Provider>,
): Html | '' {
  if (!readLogout && !frames) return ''
  const { connection } = administered
  const { id, frontchannelLogout, signOutThere } = connection
  const path = pathOf(administered)
  const address = (label: string, value: string) =>
    html`<p class="quiet">${label}</p>
      <pre tabindex="0"><code>${value}</code></pre>`
  return html`<section aria-labelledby="signing-out">
    <h2 id="signing-out">Signing out</h2>
    ${
      readLogout
        ? html`<p>
              <strong>There.</strong> When somebody’s session at the provider ends, it can tell us,
              and what rests on it ends here. Register this address for back-channel logout:
            </p>
            ${address('Back-channel logout URI', `${origin}/sso/${id}/backchannel-logout`)}`
        : ''
    }
    ${
      frames
        ? html`<p>
              The provider’s page can do the same in a frame (front-channel logout), where provider
              and application share a site. It is ${frontchannelLogout ? 'on' : 'off'}.
            </p>
            ${frontchannelLogout ? address('Front-channel logout URI', `${origin}/sso/${id}/frontchannel-logout`) : ''}
            <p>
              <a href="${path}/${frontchannelLogout ? 'unframed' : 'framed'}"
                >${frontchannelLogout ? 'Switch front-channel logout off…' : 'Switch front-channel logout on…'}</a
              >
            </p>
            <p>
              <strong>Here.</strong> ${
                signOutThere
                  ? 'Whoever signs out here is then led to the provider’s page for signing out, if it has one. Register this address there:'
                  : 'Whoever signs out here stays signed in at the provider.'
              }
            </p>
            ${signOutThere ? address('Post-logout redirect URI', signedOutUriOf(origin)) : ''}
            <p>
              <a href="${path}/${signOutThere ? 'here' : 'there'}"
                >${signOutThere ? 'Sign people out here only…' : 'Lead people to the provider when they sign out…'}</a
              >
            </p>`
        : ''
    }
  </section>`
}
