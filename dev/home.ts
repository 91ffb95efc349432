import type { Route } from '../src/http/exchange.ts'
import { html, page, type Html } from '../src/web/page.ts'
import type { DevelopmentPerson, DevelopmentProvider } from './provider.ts'

/**
 * `GET /` under `npm start`: what one is looking at, and where to begin.
 * @param buttons whether there is `/autosession`
 */
export function homeRoute(
  provider: () => Pick<DevelopmentProvider, 'issuer' | 'people' | 'saml'>,
  { buttons = false } = {},
): Route {
  return {
    method: 'GET',
    path: '/',
    access: 'public',
    csrf: 'none',
    body: 'none',
    endpoint: ({ asker: { session }, services: { origin } }) => {
      const { issuer, people, saml } = provider()
      return page(
        { title: 'Welcome', signedInAs: session?.person.name, wide: true },
        html`<h1>Sallyport is running on your machine</h1>
          <p class="lead">
            It signs people in through their own organization’s identity provider and keeps them
            signed in with server-side sessions. Everything here is local and yours to break: the
            server, its PostgreSQL, and an identity provider to sign in at.
          </p>
          <section aria-labelledby="begin">${begin(session?.person.name)}</section>
          <section aria-labelledby="people">
            <h2 id="people">People you can sign in as</h2>
            <p class="quiet">
              They belong to Acme, an invented organization. None of them has a password.
            </p>
            <ul>
              ${people.map(personRow)}
            </ul>
            ${buttons ? shortcuts : ''}
          </section>
          <section aria-labelledby="provider">
            <h2 id="provider">Their identity provider</h2>
            <p>
              <a href="${issuer}">${issuer}</a> stands in for Acme’s own. Sallyport asks it about
              everybody who is signed in once a minute: suspend and restore people there, and watch
              what becomes of their sessions. It speaks OpenID Connect and SAML, so that you can
              connect it to any organization yourself:
            </p>
            <dl>
              <dt>Issuer, for OpenID Connect</dt>
              <dd><code>${issuer}</code></dd>
              <dt>Metadata address, for SAML</dt>
              <dd><code>${saml.entityId}</code></dd>
            </dl>
            <p><a href="${issuer}/applications">Connect an application there</a></p>
          </section>
          <section aria-labelledby="next">
            <h2 id="next">What to try next</h2>
            ${nextThings(issuer, origin)}
          </section>`,
      )
    },
  }
}

const shortcuts = html`<p class="row">
  <a href="/autosession">Be one of them at the press of a button</a>
  <a href="/dev/states">All states a browser can be in</a>
</p>`

function begin(name: string | undefined): Html {
  return name === undefined
    ? html`<h2 id="begin">Begin here</h2>
        <p>You go to Acme’s identity provider, choose a person, and come back.</p>
        <p><a class="button primary" href="/login">Sign in</a></p>`
    : html`<h2 id="begin">You are signed in as <bdi>${name}</bdi></h2>
        <p>Your account shows your organizations and every browser you are signed in with.</p>
        <p><a class="button primary" href="/account">See your account</a></p>`
}

function personRow({ name, email, role, suspended }: DevelopmentPerson): Html {
  const has = role === 'owner' || role === 'admin'
  const account = has ? 'Has an account already' : 'Gets an account by signing in'
  return html`<li>
    <div>
      <strong>${name}</strong> <span class="mark">${role}</span>
      ${suspended ? html`<span class="mark danger">suspended</span>` : ''}
      <p class="quiet">${email}</p>
    </div>
    <span class="quiet">${suspended ? 'The provider refuses them' : account}</span>
  </li>`
}

function nextThings(issuer: string, origin: string): Html {
  return html`<ol>
    <li>
      Sign in, then sign in again in a private window. End one session from the other on
      <a href="/account">your account</a>.
    </li>
    <li>
      Sign in without an organization: <a href="/login/mail">ask for a link</a> with any address,
      and find it in the <a href="/dev/mailbox">mailbox</a>. Then add a passkey on your account.
    </li>
    <li>
      Sign in as Alice, who owns Acme, and look after it:
      <a href="/organizations/acme/connections">its ways to sign in</a>,
      <a href="/organizations/acme/members">members</a> and
      <a href="/organizations/acme/audit">audit</a>. Or make an organization of your own on
      <a href="/account">your account</a>, and connect it.
    </li>
    <li>
      See what an application is told: <a href="/me">/me</a>. Without a session it answers 401 with
      a problem document, as <code>curl ${origin}/me</code> shows.
    </li>
    <li>
      Sign in as Alice and <a href="${issuer}">suspend her</a> at the provider. Within little more
      than a minute her session here is over, without her doing anything; Dave, an administrator,
      finds it among Acme’s members and in its audit. Signing in again is refused, and says so.
    </li>
    <li>
      Or have the provider tell Sallyport by itself, by shared signals, back-channel logout or SCIM:
      sign in as Bob, and open <strong>Tell applications</strong> beside him there. He is out within
      a moment.
    </li>
    <li>
      Put it in front of an application in any language. nginx asks <code>/verify</code> about every
      request; <code>docs/proxies.md</code> has the configuration.
    </li>
    <li>Read on in <code>README.md</code> and <code>docs/</code>.</li>
  </ol>`
}
