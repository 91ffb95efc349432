import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import type { Membership } from '../sessions/lookup.ts'
import {
  changeVerification,
  changeVerificationPolicy,
  policyBounds,
  readVerification,
  readVerificationPolicy,
  verificationBounds,
} from '../verification/settings.ts'
import type { OutagePolicy } from '../verification/standing.ts'
import { organizationPath } from './organization.ts'
import {
  administeredConnection,
  connectionPath,
  type Administered,
} from './organization-connections.ts'
import { html, seeOther, type Html } from './page.ts'
import { lasting } from './time.ts'

/** What happens to whoever nobody could ask about for longer than the time for outages: to choose it, and to say it. */
export const outagePolicies: Readonly<
  Record<OutagePolicy, { readonly choice: string; readonly after: string }>
> = {
  keep: {
    choice: 'Nothing: they go on as before, until their session ends',
    after: 'nothing happens to them; they go on until their session ends.',
  },
  read_only: {
    choice: 'They only read: nothing can be changed until the provider vouches for them again',
    after: 'they can read and change nothing until the provider vouches for them again.',
  },
  lock: {
    choice: 'They are kept out until the provider vouches for them again',
    after: 'they are kept out until the provider vouches for them again.',
  },
}

/** How a connection's people are asked about, for the page about the connection. */
export async function checkingSection(
  { services }: Exchange,
  { organization, connection }: Administered,
): Promise<Html> {
  const which = { organizationId: organization.id, connectionId: connection.id }
  const settings = (await readVerification(services.db, which))!
  const { checkEveryMinutes, outageBudgetMinutes, outagePolicy, mostMinutes } = settings
  const { checkEveryMinutes: every, outageBudgetMinutes: budget } = verificationBounds
  return html`<section aria-labelledby="checking">
    <h2 id="checking">Asking again</h2>
    <p class="quiet">
      Between two sign-ins the provider is asked whether people are still who it said they were.
      <a href="${organizationPath(organization, '/health')}">How that goes</a>
    </p>
    <form method="post" action="${connectionPath(organization, connection, '/verification')}">
      ${minutesRow({
        name: 'checkEveryMinutes',
        label: 'Ask about everybody every so many minutes',
        help: `From ${every.least} to ${mostMinutes}. Now every ${lasting(checkEveryMinutes * 60_000)}. The shorter, the sooner it is noticed that somebody is gone.`,
        value: checkEveryMinutes,
        bounds: { ...every, most: mostMinutes },
      })}
      ${minutesRow({
        name: 'outageBudgetMinutes',
        label: 'The provider may be away for so many minutes',
        help: `From ${budget.least} to ${budget.most}; 1440 are a day. Nobody loses anything until then. With 0 a single check that fails puts somebody in doubt.`,
        value: outageBudgetMinutes,
        bounds: budget,
      })}
      <label for="outagePolicy">What happens then to whoever could not be asked about</label>
      <select id="outagePolicy" name="outagePolicy">
        ${(Object.keys(outagePolicies) as OutagePolicy[]).map(
          (one) =>
            html`<option value="${one}" ${one === outagePolicy ? html`selected` : ''}>
              ${outagePolicies[one].choice}
            </option>`,
        )}
      </select>
      <button>Save</button>
    </form>
  </section>`
}

interface Row {
  readonly name: string
  readonly label: string
  readonly help: string
  readonly value: number
  readonly bounds: { readonly least: number; readonly most: number }
}

function minutesRow({ name, label, help, value, bounds: { least, most } }: Row): Html {
  return html`<label for="${name}">${label}</label>
    <input
      id="${name}"
      name="${name}"
      type="number"
      inputmode="numeric"
      required
      min="${least}"
      max="${most}"
      value="${value}"
      aria-describedby="${name}-help"
    />
    <p class="quiet" id="${name}-help">${help}</p>`
}

/** `POST /organizations/:org/connections/:connection/verification`: how its people are asked about. */
export const setChecking: Endpoint = async (exchange) => {
  const { services, form, asker, requestId } = exchange
  const { organization, connection } = await administeredConnection(exchange)
  const outagePolicy = form['outagePolicy'] as OutagePolicy
  if (!Object.hasOwn(outagePolicies, outagePolicy))
    throw new AppError('invalid_request', { reason: 'no_such_policy' })
  const settings = {
    checkEveryMinutes: wholeIn(form['checkEveryMinutes']),
    outageBudgetMinutes: wholeIn(form['outageBudgetMinutes']),
    outagePolicy,
  }
  const which = { organizationId: organization.id, connectionId: connection.id }
  const actor = { userId: asker.session!.person.id, requestId }
  await changeVerification(services, which, settings, actor, services.clock.now())
  return seeOther(connectionPath(organization, connection, '#checking'))
}

/** Not a number where it is none: no bound lets that pass. */
function wholeIn(text: string | undefined): number {
  return /^\d{1,9}$/.test(text ?? '') ? Number(text) : Number.NaN
}

/** What holds for all of an organization's connections, for its policy page. */
export async function checkingPolicySection(
  { services }: Exchange,
  organization: Membership,
): Promise<Html> {
  const policy = await readVerificationPolicy(services.db, organization.id)
  const { checkAtMostMinutes: most, keepIdentitiesDays: keep } = policyBounds
  return html`<section aria-labelledby="checking">
    <h2 id="checking">Asking again, and forgetting</h2>
    <form method="post" action="${organizationPath(organization, '/policy/verification')}">
      ${minutesRow({
        name: 'checkAtMostMinutes',
        label: 'Ask about everybody at least every so many minutes',
        help: `From ${most.least} to ${most.most}; 1440 are a day. A connection asks as often as it says, and nobody less often than this, signed in or not.`,
        value: policy.checkAtMostMinutes,
        bounds: most,
      })}
      ${minutesRow({
        name: 'keepIdentitiesDays',
        label: 'Forget a sign-in that was not used for so many days',
        help: `From ${keep.least} to ${keep.most}. The person is mailed two weeks before. They stay a member, and link their account anew if they come back.`,
        value: policy.keepIdentitiesDays,
        bounds: keep,
      })}
      <button>Save</button>
    </form>
  </section>`
}

/** `POST /organizations/:org/policy/verification`. */
export const setCheckingPolicy: Endpoint = async (exchange) => {
  const { services, form, asker, requestId } = exchange
  const organization = await administeredOrganization(exchange)
  const policy = {
    checkAtMostMinutes: wholeIn(form['checkAtMostMinutes']),
    keepIdentitiesDays: wholeIn(form['keepIdentitiesDays']),
  }
  const actor = { userId: asker.session!.person.id, requestId }
  await changeVerificationPolicy(services.db, organization.id, policy, actor, services.clock.now())
  return seeOther(organizationPath(organization, '/policy'))
}
