import { organizationName } from '../accounts/organizations.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { foundOrganization } from '../sessions/founding.ts'
import { html, page, seeOther, type Html } from './page.ts'
import { tabOf } from './tabs.ts'

/** What somebody typed that cannot be done. */
interface Attempt {
  readonly name: string
  readonly slug: string
  readonly problem: string
}

/** `GET /organizations/new`: the form. */
export const newOrganization: Endpoint = async (exchange) => {
  assertAllowed(exchange)
  return formPage(exchange)
}

/** `POST /organizations`: makes an organization that whoever asks owns. */
export const makeOrganization: Endpoint = async (exchange) => {
  const { services, asker, form, requestId } = exchange
  assertAllowed(exchange)
  if (!isByThemself(exchange)) throw new AppError('forbidden', { reason: 'not_by_themself' })
  const typed = { name: form['name'] ?? '', slug: (form['slug'] ?? '').trim().toLowerCase() }
  const name = organizationName(typed.name)
  if (!name) return formPage(exchange, { ...typed, problem: noName })
  try {
    const userId = asker.session!.person.id
    const founding = { name, slug: typed.slug, userId, requestId }
    await foundOrganization(services, founding, services.clock.now())
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'config_rejected') throw thrown
    return formPage(exchange, { ...typed, problem: thrown.reason })
  }
  return seeOther(`/organizations/${typed.slug}`)
}

const noName = 'Give it a name of at most 64 characters, without : / and @.'

/** @throws AppError `not_found` where nobody makes organizations */
function assertAllowed({ services, asker }: Exchange): void {
  const allowed = services.organizations === 'anybody' && asker.session!.kind === 'user'
  if (!allowed) throw new AppError('not_found', { reason: 'organizations_off' })
}

/** Whether the person has proven who they are without an organization: only so can they come into a new one. */
function isByThemself({ asker }: Exchange): boolean {
  return asker.session!.personalUntil !== null
}

function formPage(exchange: Exchange, attempt?: Attempt): Promise<Response> {
  const { asker } = exchange
  return page(
    {
      title: 'New organization',
      signedInAs: asker.session!.person.name,
      tab: tabOf(asker.session),
      ...(attempt && { status: 422 }),
    },
    html`<h1>New organization</h1>
      ${isByThemself(exchange) ? form(attempt) : firstYourself}`,
  )
}

const here = encodeURIComponent('/organizations/new')

const firstYourself = html`<p>
    A new organization has no identity provider yet, so you come into it by yourself. Verify an
    address on <a href="/account">your account</a> or add a passkey there, and sign in with it.
  </p>
  <p><a class="button primary" href="/login/mail?return_to=${here}">Sign in by mail</a></p>
  <p><a href="/account">Back to your account</a></p>`

function form(attempt?: Attempt): Html {
  const described = attempt ? 'problem' : 'slug-help'
  return html`<p>You own it. You can connect its identity provider and invite people next.</p>
    ${attempt ? html`<p class="notice" id="problem" role="alert">${attempt.problem}</p>` : ''}
    <form method="post" action="/organizations">
      <label for="name">Name</label>
      <input
        id="name"
        name="name"
        required
        maxlength="64"
        autocomplete="organization"
        value="${attempt?.name ?? ''}"
      />
      <label for="slug">Short name</label>
      <input
        id="slug"
        name="slug"
        required
        maxlength="63"
        autocapitalize="none"
        autocomplete="off"
        spellcheck="false"
        value="${attempt?.slug ?? ''}"
        aria-describedby="${described}"
      />
      <p class="quiet" id="slug-help">
        For addresses: a-z, 0-9 and dashes, as in <code>/login/acme</code>. It stays.
      </p>
      <button class="primary">Make it</button>
    </form>`
}
