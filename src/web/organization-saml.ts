import type { Connection } from '../accounts/connections.ts'
import { redirectUriOf } from '../flows/login.ts'
import { stepSamlKeys } from '../flows/saml-keys.ts'
import { describeSaml, type CertificateSummary, type SamlOverview } from '../flows/saml-overview.ts'
import {
  agreeToCertificate,
  followMetadata,
  lookAfter,
  refuseCertificate,
} from '../flows/saml-upkeep.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { connectionWithKeys } from '../http/own-connection.ts'
import { AppError } from '../lib/errors.ts'
import { hasKeys } from '../providers/index.ts'
import type { KeyStep, KeySummary } from '../providers/saml/keys.ts'
import { ownAddresses } from '../providers/saml/saml.ts'
import type { Membership } from '../sessions/lookup.ts'
import type { Actor } from '../sessions/revoke.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { moment } from './time.ts'

/** Something an administrator can do here: what is asked first, and what is done. */
interface Act {
  readonly question: string
  readonly consequence: string
  readonly label: string
  readonly danger?: true
  run(exchange: Exchange, connection: Connection, actor: Actor, now: Date): Promise<unknown>
}

function keyStep(step: KeyStep): Act['run'] {
  return ({ services }, connection, actor, now) =>
    stepSamlKeys(services, connection, step, actor, now)
}

function follow(whether: boolean): Act['run'] {
  return ({ services }, connection, actor, now) =>
    followMetadata(services, connection, whether, actor, now)
}

/** Everything that can be done, by its part of the address. */
const acts = {
  prepare: {
    question: 'Make the next key?',
    consequence:
      'Its certificate is published in our metadata beside the current one. Nothing is signed with it before you switch.',
    label: 'Make the next key',
    run: keyStep('prepare'),
  },
  switch: {
    question: 'Switch to the next key?',
    consequence:
      'From now on requests are signed with it. Where your identity provider checks signatures and does not know its certificate yet, nobody can sign in.',
    label: 'Switch to the next key',
    danger: true,
    run: keyStep('switch'),
  },
  abandon: {
    question: 'Give the next key up?',
    consequence: 'It is deleted. The key in use stays as it is.',
    label: 'Give it up',
    danger: true,
    run: keyStep('abandon'),
  },
  forget: {
    question: 'Forget the old key?',
    consequence:
      'It is deleted. What your identity provider still encrypts to it cannot be read any more: make sure that it has the new certificate.',
    label: 'Forget the old key',
    danger: true,
    run: keyStep('forget'),
  },
  accept: {
    question: 'Accept this certificate?',
    consequence:
      'Whoever holds its key can sign in as anybody of yours. Compare the fingerprint with what your identity provider shows. The certificates accepted so far stay.',
    label: 'Accept it',
    danger: true,
    run: ({ services, form }, connection, actor, now) =>
      agreeToCertificate(services, connection, form['certificate'] ?? '', actor, now),
  },
  refuse: {
    question: 'Accept this certificate no more?',
    consequence:
      'What is signed with its key is refused from now on, so nobody can sign in while your identity provider still uses it. Whoever is signed in stays so.',
    label: 'Accept it no more',
    danger: true,
    run: ({ services, form }, connection, actor, now) =>
      refuseCertificate(services, connection, form['certificate'] ?? '', actor, now),
  },
  follow: {
    question: 'Accept new certificates without asking?',
    consequence:
      'Whatever the metadata’s address publishes is accepted, because it comes over https. Whoever controls that web site can then sign in as anybody of yours.',
    label: 'Accept them without asking',
    danger: true,
    run: follow(true),
  },
  unfollow: {
    question: 'Ask before a new certificate is accepted?',
    consequence:
      'A new one then waits here, and administrators get a mail. Metadata that a known key has signed is taken all the same.',
    label: 'Ask from now on',
    run: follow(false),
  },
  read: {
    question: 'Read the metadata now?',
    consequence: 'This happens every day by itself.',
    label: 'Read it now',
    run: ({ services }, { id }, _actor, now) => lookAfter(services, id, now),
  },
} as const satisfies Record<string, Act>

/** `GET /organizations/:org/connections/:connection/saml`: a connection's keys and certificates. */
export const organizationSaml: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange, 'saml')
  const connection = await connectionWithKeys(exchange, organization)
  const overview = await describeSaml(exchange.services, connection)
  const path = pathOf(organization, connection)
  return organizationPage(
    exchange,
    organization,
    { title: `Certificates of ${connection.name}`, current: '/connections' },
    html`<h1>Certificates of <bdi>${connection.name}</bdi></h1>
      ${addressesSection(exchange, connection)} ${keysSection(overview, path)}
      ${certificatesSection(overview, path)} ${metadataSection(overview, path)}`,
  )
}

/** `GET /organizations/:org/connections/:connection/saml/:act`: asks, and says what it will do. */
export const askSaml: Endpoint = async (exchange) => {
  const { params, url } = exchange
  const organization = await administeredOrganization(exchange, 'saml')
  const connection = await connectionWithKeys(exchange, organization)
  const { question, consequence, label, danger } = actOf(exchange)
  const path = pathOf(organization, connection)
  const certificate = url.searchParams.get('certificate')
  return organizationPage(
    exchange,
    organization,
    { title: question, current: '/connections' },
    html`<h1>${question}</h1>
      <p class="lead"><bdi>${connection.name}</bdi>: ${consequence}</p>
      ${certificate === null ? '' : html`<p><code>${certificate.slice(0, 64)}</code></p>`}
      ${buttonForm(`${path}/${params['act']}`, label, {
        look: danger ? 'danger' : 'primary',
        ...(certificate !== null && { fields: { certificate } }),
      })}
      <p><a href="${path}">Leave it as it is</a></p>`,
  )
}

/** `POST /organizations/:org/connections/:connection/saml/:act`: does it. */
export const changeSaml: Endpoint = async (exchange) => {
  const { services, asker, requestId } = exchange
  const organization = await administeredOrganization(exchange, 'saml')
  const connection = await connectionWithKeys(exchange, organization)
  const actor = { userId: asker.session!.person.id, requestId }
  await actOf(exchange).run(exchange, connection, actor, services.clock.now())
  return seeOther(pathOf(organization, connection))
}

/** How a connection's certificates stand, for the page about the connection; nothing where it has none. */
export async function samlKeysSection(
  { services }: Exchange,
  organization: Membership,
  connection: Connection,
): Promise<Html | ''> {
  if (!hasKeys(connection.kind)) return ''
  const { certificates, metadata } = await describeSaml(services, connection)
  const waiting = certificates.filter(({ state }) => state === 'waiting').length
  const accepted = certificates.filter(({ state }) => state === 'accepted')
  const last = accepted.map(({ notAfter }) => notAfter).sort((a, b) => b.getTime() - a.getTime())[0]
  return html`<section aria-labelledby="certificates">
    <h2 id="certificates">Keys and certificates</h2>
    ${
      waiting > 0
        ? html`<p class="notice">A new certificate of your identity provider waits for you.</p>`
        : ''
    }
    ${metadata.problem ? html`<p class="notice">${metadata.problem}</p>` : ''}
    ${
      last
        ? html`<p>Signatures of your identity provider are accepted until ${moment(last)}.</p>`
        : ''
    }
    <p>
      <a class="button" href="${pathOf(organization, connection)}">See keys and certificates</a>
    </p>
  </section>`
}

function actOf({ params }: Exchange): Act {
  const name = params['act'] ?? ''
  if (!Object.hasOwn(acts, name)) throw new AppError('not_found', { reason: 'no_such_act' })
  return acts[name as keyof typeof acts]
}

function pathOf(organization: Membership, { id }: Connection): string {
  return organizationPath(organization, `/connections/${id}/saml`)
}

function addressesSection({ services }: Exchange, { id }: Connection): Html {
  const { entityId, acs, slo } = ownAddresses(redirectUriOf(services.origin, id))
  return html`<section aria-labelledby="addresses">
    <h2 id="addresses">For your identity provider</h2>
    <dl>
      <dt>Our metadata, and our entity ID</dt>
      <dd><code>${entityId}</code></dd>
      <dt>Assertion consumer service (ACS)</dt>
      <dd><code>${acs}</code></dd>
      <dt>Single logout service (SLO)</dt>
      <dd><code>${slo}</code></dd>
    </dl>
    <p><a href="${entityId}">Download our metadata</a></p>
  </section>`
}

const keyStates: Readonly<Record<KeySummary['state'], string>> = {
  current: 'In use',
  next: 'Published, not used yet',
  retired: 'Not used any more',
}

function keysSection({ keys }: SamlOverview, path: string): Html {
  const has = (state: KeySummary['state']): boolean => keys.some((key) => key.state === state)
  return html`<section aria-labelledby="ours">
    <h2 id="ours">Our keys</h2>
    <p class="quiet">
      We sign our requests with them. To replace the key in use, make the next one, give its
      certificate to your identity provider, switch to it, and forget the old one.
    </p>
    <ul>
      ${keys.map(
        ({ state, fingerprint, notAfter, certificate }) =>
          html`<li>
            <div>
              <span class="mark">${keyStates[state]}</span>
              <p>Valid until ${moment(notAfter)}</p>
              <p class="quiet">SHA-256 <code>${fingerprint}</code></p>
              <details>
                <summary>The certificate</summary>
                <pre>${certificate}</pre>
              </details>
            </div>
          </li>`,
      )}
    </ul>
    ${has('next') ? ask(path, 'switch') : ask(path, 'prepare')}
    ${has('next') ? ask(path, 'abandon') : ''} ${has('retired') ? ask(path, 'forget') : ''}
  </section>`
}

function certificatesSection({ certificates }: SamlOverview, path: string): Html {
  const accepted = certificates.filter(({ state }) => state === 'accepted').length
  return html`<section aria-labelledby="theirs">
    <h2 id="theirs">Your identity provider’s certificates</h2>
    ${
      certificates.length === 0
        ? html`<p class="quiet">None yet.</p>`
        : html`<ul>
            ${certificates.map((one) => certificateRow(one, { path, only: accepted === 1 }))}
          </ul>`
    }
  </section>`
}

function certificateRow(
  { fingerprint, notAfter, state, goneAt }: CertificateSummary,
  { path, only }: { path: string; only: boolean },
): Html {
  const waits = state === 'waiting'
  return html`<li>
    <div>
      <span class="mark ${waits ? 'danger' : ''}">${waits ? 'Waits for you' : 'Accepted'}</span>
      <p>Valid until ${moment(notAfter)}</p>
      <p class="quiet">SHA-256 <code>${fingerprint}</code></p>
      ${
        goneAt
          ? html`<p class="quiet">
              Your identity provider has not published it since ${moment(goneAt)}. It goes by itself
              after a week.
            </p>`
          : ''
      }
    </div>
    ${
      waits
        ? html`<a class="button" href="${path}/accept?certificate=${fingerprint}">Look at it</a>`
        : only
          ? ''
          : html`<a class="button" href="${path}/refuse?certificate=${fingerprint}"
              >Accept it no more</a
            >`
    }
  </li>`
}

function metadataSection(
  { metadata: { url, readAt, problem, follow } }: SamlOverview,
  path: string,
): Html {
  return html`<section aria-labelledby="metadata">
    <h2 id="metadata">Your identity provider’s metadata</h2>
    ${
      url === null
        ? html`<p>
            It was entered by hand, so new certificates have to be entered by hand too. With the
            address of the metadata in the settings, they are found by themselves.
          </p>`
        : html`<p><code>${url}</code></p>
            <p class="quiet">
              ${readAt ? html`Last read ${moment(readAt)}.` : 'Not read again yet.'}
              ${
                follow
                  ? 'New certificates in it are accepted without asking.'
                  : 'New certificates in it wait for an administrator, unless it is signed by a key that is accepted already.'
              }
            </p>
            ${problem ? html`<p class="notice">${problem}</p>` : ''} ${ask(path, 'read')}
            ${ask(path, follow ? 'unfollow' : 'follow')}`
    }
  </section>`
}

function ask(path: string, act: keyof typeof acts): Html {
  return html`<p><a class="button" href="${path}/${act}">${acts[act].label}</a></p>`
}
