import { setSecretEndsAt } from '../accounts/secret-ends.ts'
import { presetOf } from '../flows/set-up.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { days, later } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { readVerification } from '../verification/settings.ts'
import {
  administeredConnection,
  connectionPath,
  type Administered,
} from './organization-connections.ts'
import { html, seeOther, type Html } from './page.ts'
import { ahead, moment } from './time.ts'

/** When a connection's client secret runs out, for the page about the connection; nothing where it has none. */
export async function secretSection(
  { services }: Exchange,
  { organization, connection }: Administered,
): Promise<Html | ''> {
  const preset = presetOf(connection)
  if (!preset?.asks.some(({ secret }) => secret)) return ''
  const which = { organizationId: organization.id, connectionId: connection.id }
  const { secretEndsAt } = (await readVerification(services.db, which))!
  const now = services.clock.now()
  return html`<section aria-labelledby="secret">
    <h2 id="secret">The client secret’s end</h2>
    ${
      secretEndsAt
        ? html`<p>
            ${
              secretEndsAt > now
                ? html`It runs out ${ahead(secretEndsAt, now)}, on ${moment(secretEndsAt)}.
                  Administrators are mailed 30 days, 7 days and one day before.`
                : html`<strong>It ran out on ${moment(secretEndsAt)}.</strong> Enter a new one in
                    the settings, and its end here.`
            }
          </p>`
        : html`<p>
            ${preset.secretEnds ?? 'Some providers let client secrets run out. If yours does, note the day here.'}
            Nobody can sign in once it has run out; administrators are mailed before.
          </p>`
    }
    <form method="post" action="${connectionPath(organization, connection, '/secret-end')}">
      <label for="endsOn">It ends on</label>
      <input
        id="endsOn"
        name="endsOn"
        type="date"
        value="${secretEndsAt?.toISOString().slice(0, 10) ?? ''}"
        aria-describedby="endsOn-help"
      />
      <p class="quiet" id="endsOn-help">Leave it empty where it does not end.</p>
      <button>Save</button>
    </form>
  </section>`
}

/** Nobody gives out a secret for longer, in milliseconds: a slip of the pen. */
const furthest = days(3660)

/** `POST /organizations/:org/connections/:connection/secret-end`: notes the day. */
export const setSecretEnd: Endpoint = async (exchange) => {
  const { services, form, asker, requestId } = exchange
  const { organization, connection } = await administeredConnection(exchange)
  const now = services.clock.now()
  const set = {
    organizationId: organization.id,
    connectionId: connection.id,
    endsAt: dayIn(form['endsOn'] ?? '', now),
    actorId: asker.session!.person.id,
    requestId,
  }
  await services.db.transaction().execute((tx) => setSecretEndsAt(tx, set, now))
  return seeOther(connectionPath(organization, connection, '#secret'))
}

/** @throws AppError `config_rejected` */
function dayIn(text: string, now: Date): Date | null {
  if (text.trim() === '') return null
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined
  const fits = day && !Number.isNaN(day.getTime()) && day > later(now, -furthest)
  if (fits && day < later(now, furthest)) return day
  throw new AppError('config_rejected', {
    reason: 'no_day',
    members: { problems: ['The end must be a day of the next ten years, such as 2027-06-30.'] },
  })
}
