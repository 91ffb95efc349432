import type { Connection } from '../accounts/connections.ts'
import { previewRoles, readRolePolicy, type RolePolicy } from '../accounts/roles.ts'
import { recordDeadEnd } from '../flows/attempts.ts'
import { explain } from '../flows/explanations.ts'
import type { Ended } from '../flows/flow.ts'
import {
  continueTest,
  loadTest,
  startTest,
  type TestAnswer,
  type TestData,
  type Tester,
} from '../flows/test-sign-in.ts'
import type { FlowOutcome, LoadedFlow } from '../flows/store.ts'
import type { Exchange, Services } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { randomToken } from '../lib/secrets.ts'
import type { Claims, ProofData } from '../providers/proof.ts'
import { browserMaxAge, setCookie } from '../sessions/cookies.ts'
import { visitorOf } from './arrived.ts'
import { leavePage } from './leave-page.ts'
import { html, seeOther, type Html } from './page.ts'

/** Begins a test sign-in and leads to the provider. */
export async function beginTest(
  exchange: Exchange,
  connection: Connection,
  { version, by }: { readonly version: number; readonly by: Tester },
): Promise<Response> {
  const { services, asker } = exchange
  const browser = asker.browser ?? randomToken(16)
  const turn = { ...visitorOf(exchange, browser), services, connection }
  const { handle, answer } = await startTest(turn, { version, by })
  const response = await respond(connection, by.back, handle, answer)
  const cookie = setCookie(services.cookies, 'browser', browser, browserMaxAge)
  response.headers.append('set-cookie', cookie)
  return response
}

/** The browser of whoever tests is back from the provider: what came of it is on the page that they began at. */
export async function resumeTest(
  exchange: Exchange,
  connection: Connection,
  handle: string | null,
): Promise<Response> {
  const { services, asker, requestId, url } = exchange
  const loaded = await loadOwnTest(exchange, connection, handle)
  if (loaded.state === 'consumed') return seeOther(pathAfter(loaded.outcome))
  if (loaded.state !== 'live') {
    const reason = 'reason' in loaded ? loaded.reason : loaded.state
    await recordDeadEnd(services.db, handle, { requestId, reason, at: services.clock.now() })
    throw new AppError('flow_invalid', { reason })
  }
  const turn = { ...visitorOf(exchange, asker.browser!), services, connection, handle: handle! }
  const answer = await continueTest(loaded.flow, { ...turn, back: url })
  return respond(connection, loaded.flow.data.by.back, handle!, answer)
}

/** The administrator who tested says that the identity is their own: it is linked to their account. */
export async function finishTest(
  exchange: Exchange,
  connection: Connection,
  handle: string | null,
): Promise<void> {
  const { services, asker } = exchange
  const loaded = await loadOwnTest(exchange, connection, handle)
  // Pressed twice: what was done is done.
  if (loaded.state === 'consumed' && loaded.outcome.kind === 'done') return
  if (loaded.state !== 'live')
    throw new AppError('flow_invalid', {
      reason: 'reason' in loaded ? loaded.reason : loaded.state,
    })
  const turn = { ...visitorOf(exchange, asker.browser!), services, connection, handle: handle! }
  const answer = await continueTest(loaded.flow, { ...turn, own: true })
  // The test of a set-up link is nobody’s own.
  if (answer.kind === 'show') throw new AppError('flow_invalid', { reason: 'step_mismatch' })
  if (answer.kind === 'ended' && answer.outcome.kind === 'refused') {
    const { code, reason, reference } = answer.outcome
    throw new AppError(code, { reason, reference })
  }
}

function loadOwnTest(
  { services, asker }: Exchange,
  { id: connectionId }: Connection,
  handle: string | null,
): Promise<LoadedFlow<TestData>> {
  return loadTest(services, handle, { browser: asker.browser, connectionId })
}

async function respond(
  connection: Connection,
  back: string,
  handle: string,
  answer: TestAnswer | Ended,
): Promise<Response> {
  if (answer.kind === 'leave') return leavePage(connection, answer)
  return seeOther(`${back}?state=${handle}`)
}

/** A test that is over: where its page is, as far as its outcome says; a refused one is at the same address as any. */
function pathAfter(outcome: FlowOutcome): string {
  if (outcome.kind === 'done') return outcome.to
  if (outcome.kind === 'refused' && outcome.shownAt) return outcome.shownAt
  if (outcome.kind === 'refused')
    throw new AppError(outcome.code, { reason: outcome.reason, reference: outcome.reference })
  throw new AppError('flow_invalid', { reason: 'consumed' })
}

/** How a test went, for the page that its tester began at. */
export interface TestResult {
  readonly body: Html
  /** Whether it went well, and what the provider said then. */
  readonly proof: ProofData | undefined
}

/**
 * What to show of a test.
 * @param exchange of the browser that tested; any other is told that there is nothing
 */
export async function showTest(
  exchange: Exchange,
  connection: Connection,
  { by }: { readonly by: Partial<{ userId: string; linkId: string }> },
): Promise<TestResult> {
  const handle = exchange.url.searchParams.get('state')
  const loaded = await loadOwnTest(exchange, connection, handle)
  if (loaded.state === 'live' && loaded.flow.data.proof) {
    const { proof, by: tester } = loaded.flow.data
    const own = 'userId' in tester ? tester.userId === by.userId : tester.linkId === by.linkId
    if (!own) throw new AppError('not_found', { reason: 'somebody_elses_test' })
    return { proof, body: await workedPage(exchange.services, connection, proof) }
  }
  if (loaded.state === 'consumed' && loaded.outcome.kind === 'refused')
    return { proof: undefined, body: failedPage(loaded.outcome) }
  const over = { reason: 'reason' in loaded ? loaded.reason : 'expired' }
  if (loaded.state === 'live') over.reason = 'step_mismatch'
  return { proof: undefined, body: failedPage({ ...over, reference: undefined }) }
}

function failedPage({
  reason,
  reference,
}: {
  readonly reason: string
  readonly reference?: string | undefined
}): Html {
  const { what, mend } = explain(reason)
  return html`<h1>The test sign-in did not work</h1>
    <section aria-labelledby="why">
      <h2 id="why">${what}</h2>
      <p>${mend}</p>
      <p class="quiet">
        Check that failed: <code><bdi>${reason}</bdi></code
        >${reference ? html`. Reference <code>${reference}</code>` : ''}
      </p>
    </section>`
}

async function workedPage(
  { db }: Services,
  connection: Connection,
  proof: ProofData,
): Promise<Html> {
  const policy = await readRolePolicy(db, connection.id)
  const { claims, issuer, subject, authenticatedAt, acr, amr } = proof
  return html`<h1>The test sign-in worked</h1>
    <section aria-labelledby="who">
      <h2 id="who">Whom the provider vouched for</h2>
      <dl>
        ${line('Identifier', subject)} ${line('Issuer', issuer)} ${line('Name', claims.name)}
        ${line('Address', claims.email)}
        ${line('Address verified by the provider', claims.emailVerified === undefined ? 'it does not say' : claims.emailVerified ? 'yes' : 'no')}
        ${line('Groups', claims.groups?.join(', '))} ${line('Signed in there at', authenticatedAt)}
        ${line('How', [acr, ...(amr ?? [])].filter(Boolean).join(', '))}
        ${line('Role here', roleInWords(policy, claims))}
      </dl>
      <p class="quiet">
        The identifier names the person for ever. An address never does: it is only shown.
      </p>
      ${
        claims.raw && Object.keys(claims.raw).length > 0
          ? html`<details>
              <summary>Everything it said</summary>
              <dl>
                ${Object.entries(claims.raw).map(([name, value]) => line(name, typeof value === 'string' ? value : value.join(', ')))}
              </dl>
            </details>`
          : ''
      }
    </section>`
}

/** Which role the rules give to whoever is vouched for like this. */
export function roleInWords({ rules, defaultRole }: RolePolicy, claims: Claims): string {
  const { role, rule } = previewRoles(rules, claims)
  return role === undefined ? `${defaultRole}, as everybody else` : `${role}, by rule ${rule! + 1}`
}

function line(label: string, value: string | undefined): Html | '' {
  return value
    ? html`<dt><bdi>${label}</bdi></dt>
        <dd><bdi>${value}</bdi></dd>`
    : ''
}
