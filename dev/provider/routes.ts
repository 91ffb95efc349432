import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { HttpBindings } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import { csrf } from 'hono/csrf'
import { HTTPException } from 'hono/http-exception'
import { errors, type InteractionResults, type Provider } from 'oidc-provider'
import type { Log } from '../../src/lib/log.ts'
import { applicationPages, type Registered } from './applications.ts'
import { assuranceFor } from './configuration.ts'
import { framePage, messagePage, peoplePage, signInPage, stylesheet } from './pages.ts'
import type { DevelopmentPerson } from './people.ts'
import { messages, type MessageName, type Messenger } from './signals.ts'
import type { createSamlProvider } from './saml.ts'

/** What {@link routes} serves. */
export interface ProviderSite {
  readonly oidc: Provider
  readonly organization: string
  readonly people: readonly DevelopmentPerson[]
  readonly saml: ReturnType<typeof createSamlProvider>
  /** Makes a client for an application that is sent back there. */
  register(redirectUri: string): Registered
  suspend(id: string): void
  restore(id: string): void
  readonly messenger: Messenger
  /** What the application knows a person's sessions here by. */
  sessionsOf(id: string): readonly string[]
  readonly log: Log | undefined
}

type Env = { Bindings: HttpBindings }

const policy = (formAction: string, frames = "'none'"): string =>
  `default-src 'none'; frame-src ${frames}; style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action ${formAction}`

/**
 * Headers of every answer, the protocol endpoints' too. Browsers hold `form-action` against every redirect that follows
 * a form, and signing in ends at an application that may be anywhere. `script-src` is there for `oidc-provider` to add
 * the hash of its one script, which submits `form_post` answers.
 */
export const securityHeaders = {
  'content-security-policy': policy("'self' http: https:"),
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
} as const

/** The pages of the provider; everything else is the protocol's. */
export function routes(site: ProviderSite): Hono<Env> {
  const { oidc, organization, people, saml } = site
  const app = new Hono<Env>()
  const protocol = oidc.callback()

  for (const path of ['/people/*', '/applications']) app.use(path, csrf({ origin: oidc.issuer }))

  app.get('/', (c) => {
    c.header('content-security-policy', policy("'self'"))
    c.header('cache-control', 'no-store')
    return c.html(peoplePage(organization, people, site.messenger))
  })

  app.get('/provider.css', (c) => c.body(stylesheet, 200, { 'content-type': 'text/css' }))

  app.post('/people/:id/:action{suspend|restore}', (c) => {
    const { id, action } = c.req.param()
    if (!people.some((person) => person.id === id)) return c.notFound()
    if (action === 'suspend') site.suspend(id)
    else site.restore(id)
    return c.redirect('/', 303)
  })

  app.post('/people/:id/send/:what', async (c) => {
    const { id, what } = c.req.param()
    const person = people.find((each) => each.id === id)
    if (!person || !Object.hasOwn(messages, what)) return c.notFound()
    await site.messenger.send(what as MessageName, person)
    return c.redirect('/', 303)
  })

  app.post('/people/:id/front-channel', (c) => {
    const person = people.find((each) => each.id === c.req.param('id'))
    const { uris } = site.messenger
    if (!person || !uris) return c.notFound()
    const frames = site.sessionsOf(person.id).map((sid) => {
      const url = new URL(uris.frontchannel)
      url.searchParams.set('iss', oidc.issuer)
      url.searchParams.set('sid', sid)
      return url.href
    })
    c.header('content-security-policy', policy("'self'", new URL(uris.frontchannel).origin))
    c.header('cache-control', 'no-store')
    return c.html(framePage(organization, person, frames))
  })

  site.messenger.serve(app as never)
  app.route('/saml', saml.pages)
  const { register } = site
  const samlMetadata = saml.entityId
  const issuer = oidc.issuer
  app.route('/applications', applicationPages({ organization, issuer, samlMetadata, register }))

  app.get('/interaction/:uid', async (c) => {
    const { prompt, params } = await oidc.interactionDetails(c.env.incoming, c.env.outgoing)
    // Reached only when the client insists on the question; the grant is made in any case.
    if (prompt.name === 'consent') return finish(c, { consent: {} })
    c.header('cache-control', 'no-store')
    const hint = typeof params.login_hint === 'string' ? params.login_hint : undefined
    const choice = { path: c.req.path, client: String(params.client_id), hint }
    return c.html(signInPage(organization, people, choice))
  })

  app.post('/interaction/:uid/sign-in/:id', async (c) => {
    const { params } = await oidc.interactionDetails(c.env.incoming, c.env.outgoing)
    const person = people.find((each) => each.id === c.req.param('id'))
    if (!person) return c.notFound()
    if (person.suspended) return finish(c, denied(`${person.name} is suspended`))
    const acr = assuranceFor(params.acr_values)
    return finish(c, { login: { accountId: person.id, acr, amr: ['user'] } })
  })

  app.post('/interaction/:uid/cancel', (c) => finish(c, denied('cancelled')))

  app.all('*', async (c) => {
    await protocol(c.env.incoming, c.env.outgoing)
    return RESPONSE_ALREADY_SENT
  })

  app.notFound((c) => c.html(messagePage(organization, 'Not found', 'There is nothing here.'), 404))

  app.onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse()
    if (error instanceof errors.OIDCProviderError) {
      const text = 'This sign-in cannot be continued. Go back to the application and start again.'
      return c.html(messagePage(organization, 'Start again', text), 400)
    }
    site.log?.error({ err: error }, 'development provider: a page failed')
    return c.text('Internal Server Error', 500)
  })

  async function finish(c: Context<Env>, result: InteractionResults): Promise<Response> {
    return c.redirect(await oidc.interactionResult(c.env.incoming, c.env.outgoing, result), 303)
  }

  return app
}

function denied(description: string): InteractionResults {
  return { error: 'access_denied', error_description: description }
}
