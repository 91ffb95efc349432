import { auditActions, type AuditAction } from '../accounts/audit.ts'
import {
  countSignIns,
  listEvents,
  type EventQuery,
  type OrganizationEvent,
} from '../accounts/audit-read.ts'
import type { Db } from '../db/open.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint } from '../http/exchange.ts'
import { isId } from '../lib/ids.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { hiddenFields, html, type Html } from './page.ts'
import { signInChart } from './sign-in-chart.ts'
import { moment } from './time.ts'

const tab = '/audit'

/** `GET /organizations/:org/audit`: what happened in one's own organization, and never in another. */
export const organizationAudit: Endpoint = async (exchange) => {
  const { services, url } = exchange
  const organization = await administeredOrganization(exchange)
  const asked = askedFor(url)
  const { events, next } = await listEvents(services.db, organization.id, asked)
  const signIns = await countSignIns(services.db, organization.id, { now: services.clock.now() })
  const path = organizationPath(organization, tab)
  return organizationPage(
    exchange,
    organization,
    { title: `Audit of ${organization.name}`, current: tab },
    html`<h1>Audit</h1>
      <section aria-labelledby="sign-ins">
        <h2 id="sign-ins">Sign-ins of the last 30 days</h2>
        ${signInChart(signIns)}
      </section>
      <section aria-labelledby="events">
        <h2 id="events">What happened</h2>
        ${filterForm(path, asked)}
        ${
          events.length > 0
            ? html`<ul>
                ${events.map((event) => eventRow(path, event))}
              </ul>`
            : html`<p class="quiet">Nothing.</p>`
        }
        <div class="row">
          ${next === null ? '' : html`<a class="button" href="${path}${queryOf({ ...asked, before: next })}">Older</a>`}
          <a href="${path}/events.jsonl${queryOf({ ...asked, before: undefined })}"
            >Download as JSON lines</a
          >
        </div>
      </section>`,
  )
}

function askedFor({ searchParams }: URL): EventQuery {
  const action = searchParams.get('action') ?? ''
  const [userId, before] = [searchParams.get('person') ?? '', searchParams.get('before') ?? '']
  return {
    action: Object.hasOwn(auditActions, action) ? action : undefined,
    userId: isId(userId) ? userId : undefined,
    before: isId(before) ? before : undefined,
  }
}

function queryOf({ action, userId, before }: EventQuery): string {
  const given = {
    ...(action && { action }),
    ...(userId && { person: userId }),
    ...(before && { before }),
  }
  const query = new URLSearchParams(given).toString()
  return query && `?${query}`
}

function filterForm(path: string, { action, userId }: EventQuery): Html {
  return html`<form class="search" method="get" action="${path}">
    ${userId ? hiddenFields({ person: userId }) : ''}
    <label for="action">Only</label>
    <div class="joined">
      <select id="action" name="action">
        <option value="">Everything</option>
        ${Object.keys(auditActions).map(
          (one) =>
            html`<option value="${one}" ${one === action ? html`selected` : ''}>${one}</option>`,
        )}
      </select>
      <button>Show</button>
    </div>
    ${userId ? html`<p class="quiet">Of one person. <a href="${path}">Of everybody</a></p>` : ''}
  </form>`
}

function eventRow(path: string, event: OrganizationEvent): Html {
  const { action, outcome, at, requestId, data, target, targetName } = event
  const facts = Object.entries(data).filter(([, value]) => value !== null)
  return html`<li>
    <div>
      <strong>${auditActions[action as AuditAction] ?? action}</strong>
      ${outcome === 'deny' ? html`<span class="mark danger">Refused</span>` : ''}
      <p class="quiet">${moment(at)}${actorOf(path, event)}${targetOf(path, event)}</p>
      <details class="quiet">
        <summary>${action}</summary>
        ${facts.map(([name, value]) => html`${name}: ${String(value)}<br />`)}
        ${target && targetName === null ? html`On <code>${target}</code><br />` : ''}
        ${requestId ? html`Reference <code>${requestId}</code>` : ''}
      </details>
    </div>
  </li>`
}

function actorOf(path: string, { actor, actorUntold }: OrganizationEvent): Html | '' {
  if (actorUntold) return html` · by somebody who is no member`
  return actor ? html` · by ${personLink(path, actor.id, actor.name)}` : ''
}

function targetOf(path: string, { target, targetName, actor }: OrganizationEvent): Html | '' {
  if (target === null || targetName === null || target === actor?.id) return ''
  return html` · on ${personLink(path, target, targetName)}`
}

function personLink(path: string, id: string, name: string): Html {
  return html`<a href="${path}?person=${id}"><bdi>${name}</bdi></a>`
}

/** So many events are read at a time. */
const batch = 500

/** `GET /organizations/:org/audit/events.jsonl`: all of them, one JSON object a line, the newest first. */
export const downloadAudit: Endpoint = async (exchange) => {
  const { services, url } = exchange
  const organization = await administeredOrganization(exchange)
  const lines = linesOf(services.db, organization.id, askedFor(url))
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await lines.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await lines.return()
    },
  })
  return new Response(body, {
    headers: {
      'content-type': 'application/jsonl; charset=utf-8',
      'content-disposition': `attachment; filename="${organization.slug}-audit.jsonl"`,
    },
  })
}

async function* linesOf(
  db: Db,
  organizationId: string,
  asked: EventQuery,
): AsyncGenerator<string, void> {
  let before = asked.before
  for (;;) {
    const { events, next } = await listEvents(db, organizationId, {
      ...asked,
      before,
      limit: batch,
    })
    yield events.map((event) => `${JSON.stringify(event)}\n`).join('')
    if (next === null) return
    before = next
  }
}
