import { Hono } from 'hono'
import { html } from 'hono/html'
import { isEndpoint } from '../../src/providers/endpoint.ts'
import { page, type Html } from './pages.ts'

/** What an application is told when it is registered. */
export interface Registered {
  readonly clientId: string
  readonly clientSecret: string
}

/** What the page of applications needs. */
export interface ApplicationSite {
  readonly organization: string
  readonly issuer: string
  readonly samlMetadata: string
  register(redirectUri: string): Registered
}

/** `/applications`: where an application is connected to this provider, as at any provider's own pages. */
export function applicationPages(site: ApplicationSite): Hono {
  const pages = new Hono()
  pages.get('/', (c) => c.html(applicationsPage(site)))
  pages.post('/', async (c) => {
    const { redirect_uri: given } = await c.req.parseBody()
    const redirectUri = String(given ?? '').trim()
    if (!isLoopback(redirectUri)) return c.html(applicationsPage(site, redirectUri), 422)
    return c.html(registeredPage(site, redirectUri, site.register(redirectUri)))
  })
  return pages
}

/** This provider has no secrets worth keeping, and sends people nowhere but to this machine. */
function isLoopback(uri: string): boolean {
  const host = URL.parse(uri)?.hostname ?? ''
  return isEndpoint(uri) && ['localhost', '127.0.0.1', '[::1]'].includes(host)
}

function applicationsPage(site: ApplicationSite, refused?: string): Html {
  return page(
    site.organization,
    'Connect an application',
    html`<h2>By OpenID Connect</h2>
      <p>Give the redirect URI that the application shows you, and copy what you get for it.</p>
      ${refused === undefined ? '' : html`<p role="alert"><em>An address on this machine, please</em></p>`}
      <form method="post" action="/applications">
        <label for="redirect_uri">Redirect URI</label>
        <input id="redirect_uri" name="redirect_uri" type="url" required value="${refused ?? ''}" />
        <button>Register it</button>
      </form>
      <h2>By SAML</h2>
      <p>
        There is nothing to register here: this provider reads an application’s metadata where its
        name says that they are. Give the application the address of this provider’s own.
      </p>
      <dl>
        <dt>Metadata address</dt>
        <dd><code>${site.samlMetadata}</code></dd>
      </dl>
      <p>Its attributes are <code>name</code>, <code>email</code> and <code>role</code>.</p>
      <p><a href="/">To the list of people</a></p>`,
  )
}

function registeredPage(
  { organization, issuer }: ApplicationSite,
  redirectUri: string,
  { clientId, clientSecret }: Registered,
): Html {
  const line = (name: string, value: string) =>
    html`<dt>${name}</dt>
      <dd><code>${value}</code></dd>`
  return page(
    organization,
    'Registered',
    html`<p>The secret is shown this once.</p>
      <dl>
        ${line('Issuer', issuer)} ${line('Client ID', clientId)}
        ${line('Client secret', clientSecret)} ${line('Redirect URI', redirectUri)}
      </dl>
      <p><a href="/applications">Connect another</a></p>`,
  )
}
