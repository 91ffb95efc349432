import { findConnectionOf } from '../accounts/connections.ts'
import {
  attemptsOnOnePage,
  findAttempt,
  listAttempts,
  type Attempt,
  type AttemptKind,
} from '../flows/attempts.ts'
import { explain } from '../flows/explanations.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import type { Membership } from '../sessions/lookup.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { html, seeOther, type Html } from './page.ts'
import { ago, moment } from './time.ts'

const kinds: Readonly<Record<AttemptKind, string>> = {
  login: 'Sign-in',
  link: 'Linking a sign-in',
  test: 'Test sign-in',
  setup: 'Set-up',
}

const filters = [
  { label: 'Refused', outcome: 'refused' },
  { label: 'All', outcome: 'all' },
] as const

/** `GET /organizations/:org/sign-ins`: how people's attempts to sign in went. */
export const organizationSignIns: Endpoint = async (exchange) => {
  const { services, url } = exchange
  const organization = await administeredOrganization(exchange, 'sign-ins')
  const path = organizationPath(organization, '/sign-ins')
  const reference = url.searchParams.get('reference')?.trim()
  if (reference) return seeOther(`${path}/${encodeURIComponent(reference)}`)
  const chosen = url.searchParams.get('outcome') === 'all' ? 'all' : 'refused'
  const through = url.searchParams.get('connection') ?? ''
  const connection = through
    ? await findConnectionOf(services.db, organization.id, through)
    : undefined
  const attempts = await listAttempts(services.db, organization.id, {
    outcome: chosen === 'all' ? undefined : 'refused',
    connectionId: connection?.id,
    before: readCursor(url.searchParams.get('before')),
  })
  const now = services.clock.now()
  const query = (more: Record<string, string>) =>
    `${path}?${new URLSearchParams({ outcome: chosen, ...(connection && { connection: connection.id }), ...more })}`
  return organizationPage(
    exchange,
    organization,
    { title: `Sign-ins of ${organization.name}`, current: '/sign-ins' },
    html`<h1>Why did a sign-in fail?</h1>
      <p class="lead">
        Every error page shows a reference. Look it up here, or look through what was refused. Kept
        for 90 days.
      </p>
      <form method="get" action="${path}" class="search">
        <label for="reference">Reference</label>
        <input
          id="reference"
          name="reference"
          autocomplete="off"
          spellcheck="false"
          maxlength="64"
          required
        />
        <button class="primary">Look it up</button>
      </form>
      <section aria-labelledby="list">
        <h2 id="list">
          ${connection ? html`Through <bdi>${connection.name}</bdi>` : 'The last ones'}
        </h2>
        <nav class="tabs" aria-label="Which">
          ${filters.map(
            ({ label, outcome }) =>
              html`<a
                href="${query({ outcome })}"
                ${outcome === chosen ? html`aria-current="true"` : ''}
                >${label}</a
              >`,
          )}
        </nav>
        ${
          attempts.length > 0
            ? html`<ul>
                ${attempts.map((attempt) => attemptRow(organization, attempt, now))}
              </ul>`
            : html`<p class="quiet">
                ${chosen === 'refused' ? 'Nothing was refused.' : 'Nobody has tried yet.'}
              </p>`
        }
        ${attempts.length === attemptsOnOnePage ? html`<p><a href="${query({ before: cursorOf(attempts.at(-1)!) })}">Earlier ones</a></p>` : ''}
      </section>`,
  )
}

function attemptRow(organization: Membership, attempt: Attempt, now: Date): Html {
  const { id, reason, at, connection, person, kind, outcome } = attempt
  const what = outcome === 'ok' ? 'It worked.' : explain(reason ?? '').what
  return html`<li>
    <div>
      <a href="${organizationPath(organization, `/sign-ins/${encodeURIComponent(id)}`)}"
        >${kinds[kind]}${person ? html` of <bdi>${person.name}</bdi>` : ''}</a
      >
      <p class="quiet">
        ${what} ${ago(at, now)}${connection ? html`, through <bdi>${connection.name}</bdi>` : ''}.
      </p>
    </div>
    <span class="mark ${outcome === 'ok' ? '' : 'danger'}"
      >${outcome === 'ok' ? 'Worked' : 'Refused'}</span
    >
  </li>`
}

/** `GET /organizations/:org/sign-ins/:attempt`: one attempt, step by step. */
export const organizationSignIn: Endpoint = async (exchange) => {
  const { services, params } = exchange
  const organization = await administeredOrganization(exchange, 'sign-ins')
  const attempt = await findAttempt(services.db, organization.id, params['attempt'] ?? '')
  if (!attempt) throw new AppError('not_found', { reason: 'unknown_attempt' })
  return organizationPage(
    exchange,
    organization,
    { title: 'A sign-in', current: '/sign-ins' },
    html`<h1>${kinds[attempt.kind]}: ${attempt.outcome === 'ok' ? 'it worked' : 'refused'}</h1>
      ${attemptReport(attempt)}
      <p>
        <a href="${organizationPath(organization, '/sign-ins')}">All sign-ins</a>
      </p>`,
  )
}

/** What happened in an attempt and, where it failed, what to do about it. */
export function attemptReport({ id, reason, trace, at, connection, person }: Attempt): Html {
  return html`${reason === null ? '' : explanationOf(reason)}
    <section aria-labelledby="steps">
      <h2 id="steps">Step by step</h2>
      <ol>
        ${trace.map(({ step, what }) => html`<li><strong>${stepNames[step] ?? step}</strong>: <bdi>${what}</bdi></li>`)}
      </ol>
      <p class="quiet">
        ${moment(at)}${connection ? html`, through <bdi>${connection.name}</bdi>` : ''}${person ? html`, as <bdi>${person.name}</bdi>` : ''}.
        Reference <code>${id}</code>
      </p>
    </section>`
}

function explanationOf(reason: string): Html {
  const { what, mend } = explain(reason)
  return html`<section aria-labelledby="why">
    <h2 id="why">${what}</h2>
    <p>${mend}</p>
    <p class="quiet">Check that failed: <code>${reason}</code></p>
  </section>`
}

/** Steps as people call them. */
const stepNames: Readonly<Record<string, string>> = {
  leave: 'On the way to the provider',
  'come-back': 'Back from the provider',
  agree: 'Somebody else was signed in',
  register: 'New here',
  show: 'Shown to whoever tested',
  finish: 'At the door',
}

/** Where a page goes on: below the last one shown. */
function cursorOf({ at, id }: Attempt): string {
  return `${at.toISOString()} ${id}`
}

function readCursor(given: string | null): { at: Date; id: string } | undefined {
  const [at = '', id = ''] = given?.split(' ') ?? []
  const when = new Date(at)
  return Number.isNaN(when.getTime()) || !id ? undefined : { at: when, id }
}
