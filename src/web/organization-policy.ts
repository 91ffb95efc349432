import {
  organizationName,
  readDefaultRole,
  readSessionLimits,
  type SessionLimits,
} from '../accounts/organizations.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import type { Membership } from '../sessions/lookup.ts'
import { changePolicy, type PolicyChange } from '../sessions/policy.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { requirementSection } from './organization-requirement.ts'
import { checkingPolicySection } from './organization-verification.ts'
import { html, seeOther, type Html } from './page.ts'

const tab = '/policy'

/** What there is to decide, in order; each is a section of the page. */
export const policySections: readonly ((
  exchange: Exchange,
  organization: Membership,
) => Promise<Html | ''>)[] = [
  sessionSection,
  memberSection,
  requirementSection,
  checkingPolicySection,
  nameSection,
]

/** `GET /organizations/:org/policy`: what an organization asks of its members' sign-ins. */
export const organizationPolicy: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange)
  return organizationPage(
    exchange,
    organization,
    { title: `Policy of ${organization.name}`, current: tab },
    html`<h1>Policy</h1>
      ${await Promise.all(policySections.map((section) => section(exchange, organization)))}`,
  )
}

/** One limit of sessions, in minutes, as the form asks for it. The bounds are the database's. */
interface Field {
  readonly name: 'idleMinutes' | 'absoluteMinutes' | 'reauthMinutes'
  readonly label: string
  readonly help: string
  readonly least: number
  readonly most: number
}

const fields: readonly Field[] = [
  {
    name: 'idleMinutes',
    label: 'End unused sessions after, in minutes',
    help: 'From 5. Whoever comes back later signs in again.',
    least: 5,
    most: 43_200,
  },
  {
    name: 'absoluteMinutes',
    label: 'End every session after, in minutes',
    help: 'From 10, counted from the sign-in, however much it is used.',
    least: 10,
    most: 129_600,
  },
  {
    name: 'reauthMinutes',
    label: 'Ask kept sessions to sign in again after, in minutes',
    help: 'From 1. Until then they change nothing; reading goes on.',
    least: 1,
    most: 43_200,
  },
]

async function sessionSection(
  { services }: Exchange,
  organization: Membership,
): Promise<Html | ''> {
  const limits = (await readSessionLimits(services.db, organization.id))!
  return html`<section aria-labelledby="sessions">
    <h2 id="sessions">Sessions</h2>
    <p class="quiet">
      You can only ask for less than this server allows. What you save holds at once, for sessions
      that are open too. Leave a field empty for the server’s own.
    </p>
    <form method="post" action="${organizationPath(organization, `${tab}/sessions`)}">
      ${fields.map((field) => fieldRow(field, limits[field.name]))}
      <div class="tick">
        <input
          type="checkbox"
          id="keepSignedIn"
          name="keepSignedIn"
          value="yes"
          ${limits.keepSignedIn ? html`checked` : ''}
        />
        <label for="keepSignedIn">People may ask to be kept signed in</label>
      </div>
      <button>Save</button>
    </form>
  </section>`
}

function fieldRow({ name, label, help, least, most }: Field, value: number | null): Html {
  return html`<label for="${name}">${label}</label>
    <input
      id="${name}"
      name="${name}"
      type="number"
      inputmode="numeric"
      min="${least}"
      max="${most}"
      value="${value ?? ''}"
      aria-describedby="${name}-help"
    />
    <p class="quiet" id="${name}-help">${help}</p>`
}

async function memberSection({ services }: Exchange, organization: Membership): Promise<Html | ''> {
  const role = await readDefaultRole(services.db, organization.id)
  const choice = (value: string, label: string) =>
    html`<option value="${value}" ${role === value ? html`selected` : ''}>${label}</option>`
  return html`<section aria-labelledby="members">
    <h2 id="members">New members</h2>
    <p class="quiet">
      Whoever joins by signing in, where neither an invitation nor the identity provider’s groups
      say more.
    </p>
    <form method="post" action="${organizationPath(organization, `${tab}/members`)}">
      <label for="defaultRole">They become</label>
      <select id="defaultRole" name="defaultRole">
        ${choice('member', 'Member')}${choice('admin', 'Admin')}
      </select>
      <button>Save</button>
    </form>
  </section>`
}

async function nameSection(_exchange: Exchange, organization: Membership): Promise<Html | ''> {
  return html`<section aria-labelledby="name-title">
    <h2 id="name-title">Name</h2>
    <form method="post" action="${organizationPath(organization, `${tab}/name`)}">
      <label for="name">What people read</label>
      <input id="name" name="name" required maxlength="64" value="${organization.name}" />
      <p class="quiet">In addresses it stays <code>${organization.slug}</code>.</p>
      <button>Save</button>
    </form>
  </section>`
}

/** `POST /organizations/:org/policy/sessions`: how long sessions last. */
export const setSessionPolicy: Endpoint = async (exchange) => {
  const { form } = exchange
  const organization = await administeredOrganization(exchange)
  const minutes = Object.fromEntries(
    fields.map((field) => [field.name, minutesIn(form[field.name], field)]),
  ) as Pick<SessionLimits, Field['name']>
  const limits = { ...minutes, keepSignedIn: form['keepSignedIn'] === 'yes' }
  return save(exchange, organization, { limits })
}

function minutesIn(text: string | undefined, { name, least, most }: Field): number | null {
  if (!text?.trim()) return null
  const n = Number(text)
  if (!/^\d+$/.test(text.trim()) || n < least || n > most)
    throw new AppError('config_rejected', {
      reason: `${name}_out_of_bounds`,
      members: { problems: [`${name} must be a whole number from ${least} to ${most}.`] },
    })
  return n
}

/** `POST /organizations/:org/policy/members`: what new members become. Nobody becomes an owner by themself. */
export const setMemberPolicy: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange)
  const defaultRole = (['member', 'admin'] as const).find(
    (role) => role === exchange.form['defaultRole'],
  )
  if (!defaultRole) throw new AppError('invalid_request', { reason: 'no_such_role' })
  return save(exchange, organization, { defaultRole })
}

/** `POST /organizations/:org/policy/name`: what people read. */
export const rename: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange)
  const name = organizationName(exchange.form['name'] ?? '')
  if (!name)
    throw new AppError('config_rejected', {
      reason: 'no_name',
      members: { problems: ['A name has 1 to 64 characters, without : / and @.'] },
    })
  return save(exchange, organization, { name })
}

async function save(
  { services, asker, requestId }: Exchange,
  organization: Membership,
  change: PolicyChange,
): Promise<Response> {
  const actor = { userId: asker.session!.person.id, requestId }
  await changePolicy(services, organization.id, change, actor, services.clock.now())
  return seeOther(organizationPath(organization, tab))
}
