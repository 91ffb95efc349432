import { finders } from '../accounts/lockouts.ts'
import { countUse } from '../db/limits.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import type { Membership } from '../sessions/lookup.ts'
import { pushedWithin } from '../verification/bound.ts'
import { liftBrake } from '../verification/brake.ts'
import {
  identityLists,
  listIdentities,
  type CheckedIdentity,
  type IdentityList,
} from '../verification/identities.ts'
import { checkNow } from '../verification/lease.ts'
import {
  budgetEnds,
  countVerdicts,
  listStandings,
  readBound,
  rungs,
  spans,
  type Bound,
  type Rung,
  type Span,
  type Standing,
} from '../verification/standing.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { connectionPath } from './organization-connections.ts'
import { outagePolicies } from './organization-verification.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { ago, ahead, lasting, moment } from './time.ts'
import { verdictChart } from './verdict-chart.ts'

const tab = '/health'

/** `GET /organizations/:org/health`: how asking the organization's providers again goes. */
export const organizationHealth: Endpoint = async (exchange) => {
  const { services } = exchange
  const organization = await administeredOrganization(exchange, 'health')
  const now = services.clock.now()
  const which = { organizationId: organization.id }
  const standings = await listStandings(services.db, which, now)
  const sections = []
  for (const standing of standings)
    sections.push(await overviewSection(exchange, organization, standing))
  return organizationPage(
    exchange,
    organization,
    { title: `Health of ${organization.name}`, current: tab },
    html`<h1>Health</h1>
      <p class="lead">
        Between two sign-ins each identity provider is asked again whether people are still who it
        said they were. This is how that goes.
      </p>
      ${
        sections.length > 0
          ? sections
          : html`<p class="quiet">No connection is switched on, so nobody is asked about.</p>`
      }
      <p>
        <a href="${organizationPath(organization, '/alarms')}">Alarms: who is told of trouble</a>
      </p>`,
  )
}

async function overviewSection(
  { services: { db, clock }, url }: Exchange,
  organization: Membership,
  standing: Standing,
): Promise<Html> {
  const now = clock.now()
  const { connectionId: id, name } = standing
  const path = healthPath(organization, standing)
  return html`<section aria-labelledby="c-${id}">
    <h2 id="c-${id}">
      <a href="${path}"><bdi>${name}</bdi></a> ${mark(standing)}
    </h2>
    ${troubles(organization, standing, now)} ${figures(standing)}
    ${verdictChart(await countVerdicts(db, id, spanIn(url), now), spanIn(url))}
    <p class="row">
      ${spanLinks(organizationPath(organization, tab), url)}
      <a href="${path}">People, and how soon it is noticed</a>
    </p>
  </section>`
}

/** What is wrong with a connection, the worst first; the last word is for one that is well. */
const marks: readonly (readonly [is: (one: Standing) => boolean, label: string, bad: boolean])[] = [
  [({ brakedSince }) => brakedSince !== null, 'Held', true],
  [({ misconfiguredSince }) => misconfiguredSince !== null, 'Refuses our questions', true],
  [({ failingSince }) => failingSince !== null, 'Does not answer', true],
  [({ identities }) => identities === 0, 'Nobody linked', false],
  [({ identities, rungs: { deadline = 0 } }) => deadline === identities, 'Cannot be asked', false],
  [() => true, 'Answers', false],
]

function mark(standing: Standing): Html {
  const [, label, bad] = marks.find(([is]) => is(standing))!
  return html`<span class="${bad ? 'mark danger' : 'mark'}">${label}</span>`
}

function isTroubled({ brakedSince, failingSince, misconfiguredSince }: Standing): boolean {
  return (brakedSince ?? failingSince ?? misconfiguredSince) !== null
}

function troubles(organization: Membership, standing: Standing, now: Date): Html {
  const { brakedSince, held, failingSince, failingReason, misconfiguredSince } = standing
  const ends = budgetEnds(standing)
  return html`${
    brakedSince
      ? html`<div class="notice" role="alert">
          <p>
            <strong>Unusually many people are said to be gone.</strong> Since ${moment(brakedSince)}
            the verdicts are held, and nobody is signed out by them:
            ${held === 1 ? 'one person' : `${held} people`} so far.
          </p>
          <p>
            <a class="button" href="${healthPath(organization, standing, '/lift')}"
              >They are gone indeed…</a
            >
          </p>
        </div>`
      : ''
  }
  ${
    misconfiguredSince
      ? html`<div class="notice" role="alert">
          <p>
            <strong>The provider refuses our questions</strong> since ${moment(misconfiguredSince)}:
            <code>${standing.misconfiguredReason ?? ''}</code>. A client secret may have run out, or
            a setting may have changed there.
            <a href="${connectionPath(organization, { id: standing.connectionId })}"
              >The connection’s settings</a
            >
          </p>
        </div>`
      : ''
  }
  ${
    failingSince
      ? html`<div class="notice" role="alert">
          <p>
            <strong>The provider does not answer</strong> since ${moment(failingSince)}:
            <code>${failingReason ?? ''}</code>.
          </p>
        </div>`
      : ''
  }
  ${ends ? outageWords(standing, ends, now) : ''}`
}

function outageWords({ outagePolicy, suspects }: Standing, ends: Date, now: Date): Html {
  const { after } = outagePolicies[outagePolicy]
  return ends > now
    ? html`<p>
        Nobody loses anything by that for another
        <strong>${lasting(ends.getTime() - now.getTime())}</strong>, until ${moment(ends)}. Then:
        ${after}
      </p>`
    : html`<p>
        The time for outages was spent on ${moment(ends)}.
        ${suspects === 1 ? 'One person is' : `${suspects} people are`} in doubt: ${after}
      </p>`
}

const rungWords: Readonly<Record<Rung, string>> = {
  refresh: 'asked with a refresh token',
  userinfo: 'asked with an access token',
  introspection: 'asked by introspection',
  directory: 'known from a directory',
  deadline: 'only until their session ends',
}

function figures(standing: Standing): Html {
  const counts = rungs.filter((rung) => (standing.rungs[rung] ?? 0) > 0)
  return html`<dl class="figures">
    <div>
      <dt>linked</dt>
      <dd>${standing.identities}</dd>
    </div>
    ${counts.map(
      (rung) =>
        html`<div>
          <dt>${rungWords[rung]}</dt>
          <dd>${standing.rungs[rung]}</dd>
        </div>`,
    )}
    ${
      standing.suspects > 0
        ? html`<div>
            <dt>in doubt</dt>
            <dd>${standing.suspects}</dd>
          </div>`
        : ''
    }
    <div>
      <dt>due now</dt>
      <dd>${standing.due}</dd>
    </div>
  </dl>`
}

function spanIn(url: URL): Span {
  return url.searchParams.get('span') === 'month' ? 'month' : 'day'
}

function spanLinks(path: string, url: URL): Html[] {
  const chosen = spanIn(url)
  return (Object.keys(spans) as Span[]).map(
    (span) =>
      html`<a href="${path}?span=${span}" ${span === chosen ? html`aria-current="true"` : ''}
        >${spans[span].label}</a
      >`,
  )
}

/** `GET /organizations/:org/health/:connection`: one connection, and everybody who is linked through it. */
export const connectionHealth: Endpoint = async (exchange) => {
  const { services, url } = exchange
  const { organization, standing } = await ownStanding(exchange)
  const now = services.clock.now()
  const { connectionId, name } = standing
  const path = healthPath(organization, standing)
  const bound = await readBound(services.db, standing, now)
  const list = listIn(url)
  const after = url.searchParams.get('after') ?? ''
  const { identities, next } = await listIdentities(services.db, connectionId, {
    list,
    after: isId(after) ? after : undefined,
  })
  const asked = url.searchParams.get('asked')
  return organizationPage(
    exchange,
    organization,
    { title: `Health of ${name}`, current: tab },
    html`<h1><bdi>${name}</bdi> ${mark(standing)}</h1>
      ${asked === null ? '' : askedWords(asked)}
      ${
        isTroubled(standing)
          ? html`<section aria-labelledby="trouble">
              <h2 id="trouble">Trouble</h2>
              ${troubles(organization, standing, now)}
            </section>`
          : ''
      }
      <section aria-labelledby="verdicts">
        <h2 id="verdicts">What it said</h2>
        ${verdictChart(await countVerdicts(services.db, connectionId, spanIn(url), now), spanIn(url))}
        <p class="row">${spanLinks(path, url)}</p>
      </section>
      ${boundSection(standing, bound)} ${mannersSection(organization, standing, now)}
      <section aria-labelledby="people">
        <h2 id="people">People</h2>
        <nav class="tabs" aria-label="Which people">
          ${(Object.keys(identityLists) as IdentityList[]).map(
            (one) =>
              html`<a href="${path}?list=${one}" ${one === list ? html`aria-current="true"` : ''}
                >${identityLists[one].label}</a
              >`,
          )}
        </nav>
        ${
          identities.length > 0
            ? html`<ul>
                ${identities.map((one) => identityRow(organization, path, one, now))}
              </ul>`
            : html`<p class="quiet">Nobody.</p>`
        }
        ${next === null ? '' : html`<p><a class="button" href="${path}?list=${list}&amp;after=${next}">Show more</a></p>`}
      </section>
      <p><a href="${organizationPath(organization, tab)}">All connections</a></p>`,
  )
}

function askedWords(asked: string): Html {
  const n = /^\d{1,9}$/.test(asked) ? Number(asked) : 0
  return html`<p class="notice" role="status">
    ${n === 0 ? 'Nobody is left to ask about: they cannot be asked about, or are due already.' : n === 1 ? 'One person is asked about now.' : `${n} people are asked about now, as fast as the provider is asked.`}
    Load the page again in a moment to see what it said.
  </p>`
}

function boundSection(standing: Standing, { promised, keepsUp, observed }: Bound): Html {
  return html`<section aria-labelledby="bound">
    <h2 id="bound">How soon it is noticed that somebody is gone</h2>
    ${
      promised === null
        ? html`<p>
            Nobody here can be asked about. Whoever is gone stays signed in until their session
            ends, unless the provider sends a signal.
          </p>`
        : html`<p>
            Within <strong>${lasting(promised)}</strong> at the latest while the provider answers,
            by asking; within ${lasting(pushedWithin)} of a signal, where the provider sends one.
          </p>`
    }
    ${
      keepsUp
        ? ''
        : html`<div class="notice" role="alert">
            <p>
              <strong>The allowance is too small.</strong> At ${standing.checksPerSecond} checks a
              second not everybody can be asked about in every interval, so it takes longer than the
              interval says.
            </p>
          </div>`
    }
    ${
      observed.length > 0
        ? html`<ul>
            ${observed.map(
              ({ by, count, p50, p99, worst }) =>
                html`<li>
                  <div>
                    ${finders[by] ?? by}: half within <strong>${lasting(p50 * 1000)}</strong>, 99 of
                    100 within <strong>${lasting(p99 * 1000)}</strong>
                    <p class="quiet">
                      ${count === 1 ? 'Once' : `${count} times`} in the last 90 days, at most
                      ${lasting(worst * 1000)}, counted from when the provider last vouched for them
                      or sent the signal.
                    </p>
                  </div>
                </li>`,
            )}
          </ul>`
        : html`<p class="quiet">Nobody was found to be gone in the last 90 days.</p>`
    }
  </section>`
}

function mannersSection(organization: Membership, standing: Standing, now: Date): Html {
  const { checkEveryMinutes, checksPerSecond, checksBurst, restsUntil, brakeLiftedUntil } = standing
  return html`<section aria-labelledby="manners">
    <h2 id="manners">How it is asked</h2>
    <p>
      Everybody about every ${lasting(checkEveryMinutes * 60_000)}, at most ${checksPerSecond} a
      second with ${checksBurst} at once, over all servers together.
      ${standing.due === 0 ? 'Nobody is due.' : html`${standing.due} are due, the first for ${lasting(standing.overdue)}.`}
    </p>
    ${restsUntil && restsUntil > now ? html`<p>It is left alone until ${moment(restsUntil)}.</p>` : ''}
    ${
      brakeLiftedUntil && brakeLiftedUntil > now
        ? html`<p>
            An administrator has said that people are gone indeed; nothing is held until
            ${moment(brakeLiftedUntil)}.
          </p>`
        : ''
    }
    <div class="row">
      ${buttonForm(healthPath(organization, standing, '/check'), 'Ask about everybody now')}
      <a href="${connectionPath(organization, { id: standing.connectionId }, '#checking')}"
        >Change how it is asked</a
      >
    </div>
  </section>`
}

function identityRow(
  organization: Membership,
  path: string,
  identity: CheckedIdentity,
  now: Date,
): Html {
  const { id, userId, name, rung, lastVerifiedAt, checkAt, verdict, reason, verdictAt, held } =
    identity
  const bad = verdict === 'no_longer_true' || verdict === 'could_not_tell'
  return html`<li>
    <div id="i-${id}">
      <a href="${organizationPath(organization, `/members/${userId}`)}"><bdi>${name}</bdi></a>
      ${held ? html`<span class="mark danger">Held</span>` : ''}
      ${verdict === 'no_longer_true' && !held ? html`<span class="mark danger">Gone</span>` : ''}
      ${verdict === 'could_not_tell' ? html`<span class="mark">Could not tell</span>` : ''}
      <p class="quiet">
        Verified ${ago(lastVerifiedAt, now)} ·
        ${checkAt ? html`next check ${ahead(checkAt, now)}` : html`not asked about again`}${rung ? html` · ${rungWords[rung]}` : ''}
      </p>
      ${bad && reason && verdictAt ? html`<p class="quiet">${ago(verdictAt, now)}: <code>${reason}</code></p>` : ''}
    </div>
    ${
      checkAt && checkAt > now
        ? buttonForm(`${path}/check`, 'Check now', {
            fields: { identity: id },
            describedBy: `i-${id}`,
          })
        : ''
    }
  </li>`
}

function listIn({ searchParams }: URL): IdentityList {
  const given = searchParams.get('list') ?? ''
  return Object.hasOwn(identityLists, given) ? (given as IdentityList) : 'verified'
}

/** `POST /organizations/:org/health/:connection/check`: has everybody asked about now, or one. */
export const checkConnectionNow: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const { organization, standing } = await ownStanding(exchange)
  const { connectionId } = standing
  const identityId = form['identity']
  if (identityId !== undefined && !isId(identityId))
    throw new AppError('not_found', { reason: 'unknown_identity' })
  const now = services.clock.now()
  await countUse(services.db, 'checks_of_connection', connectionId, now)
  const which = { connectionId, ...(identityId && { identityId }) }
  const asked = await checkNow(services.db, which, now)
  return seeOther(`${healthPath(organization, standing)}?asked=${asked}`)
}

/** `GET /organizations/:org/health/:connection/lift`: says what carrying the held verdicts out does, and asks. */
export const askLift: Endpoint = async (exchange) => {
  const { organization, standing } = await ownStanding(exchange)
  const { name, held, brakedSince } = standing
  if (!brakedSince) throw new AppError('changed_meanwhile', { reason: 'brake_not_held' })
  const path = healthPath(organization, standing)
  const { identities, next } = await listIdentities(exchange.services.db, standing.connectionId, {
    list: 'held',
    limit: 100,
  })
  return organizationPage(
    exchange,
    organization,
    { title: 'Carry the held verdicts out', current: tab },
    html`<h1>Are they gone indeed?</h1>
      <p class="lead">
        <bdi>${name}</bdi> has said of ${held === 1 ? 'one person' : `${held} people`} that they are
        gone. If you confirm it, they are signed out of your organization at once and let in no
        more, and for an hour nothing is held. They are mailed.
      </p>
      <p>
        If it is a mistake at the provider, mend it there: whoever signs in again is vouched for
        anew. When nobody else is said to be gone for ten minutes, the verdicts are carried out by
        themselves.
      </p>
      <section aria-labelledby="held">
        <h2 id="held">Who</h2>
        <ul>
          ${identities.map(
            ({ name: who, reason }) =>
              html`<li>
                <div>
                  <bdi>${who}</bdi>${reason ? html` <span class="quiet">${reason}</span>` : ''}
                </div>
              </li>`,
          )}
        </ul>
        ${next === null ? '' : html`<p class="quiet">These are the last 100.</p>`}
      </section>
      <div class="row">
        ${buttonForm(`${path}/lift`, 'They are gone: sign them out', { look: 'danger' })}
        <a href="${path}">Leave them as they are</a>
      </div>`,
  )
}

/** `POST /organizations/:org/health/:connection/lift`: carries the held verdicts out. */
export const liftOwnBrake: Endpoint = async (exchange) => {
  const { services, asker, requestId } = exchange
  const { organization, standing } = await ownStanding(exchange)
  const which = { connectionId: standing.connectionId, organizationId: organization.id }
  const by = { userId: asker.session!.person.id, requestId }
  await liftBrake(services, which, by, services.clock.now())
  return seeOther(healthPath(organization, standing))
}

/**
 * How the connection stands that an address names.
 * @throws AppError as `administeredOrganization` does; `not_found` where it is not the organization's, or not in use
 */
async function ownStanding(
  exchange: Exchange,
): Promise<{ organization: Membership; standing: Standing }> {
  const { services, params } = exchange
  const organization = await administeredOrganization(exchange, 'health')
  const connectionId = params['connection'] ?? ''
  const which = { organizationId: organization.id, connectionId }
  const [standing] = isId(connectionId)
    ? await listStandings(services.db, which, services.clock.now())
    : []
  if (!standing) throw new AppError('not_found', { reason: 'unknown_connection' })
  return { organization, standing }
}

function healthPath(
  organization: Membership,
  { connectionId }: Pick<Standing, 'connectionId'>,
  rest = '',
): string {
  return organizationPath(organization, `${tab}/${connectionId}${rest}`)
}
