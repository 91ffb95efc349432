import type { Route } from '../src/http/exchange.ts'
import { html, page } from '../src/web/page.ts'
import type { DevelopmentProvider } from './provider.ts'

/** `GET /` under `npm start`: what one is looking at, and where to begin. */
export function homeRoute(provider: Pick<DevelopmentProvider, 'issuer' | 'people'>): Route {
  return {
    method: 'GET',
    path: '/',
    access: 'public',
    csrf: 'none',
    body: 'none',
    endpoint: ({ asker: { session } }) =>
      page(
        { title: 'Welcome', signedInAs: session?.person.name },
        html`<h1>This is Sallyport, running on your machine</h1>
          <p>
            It signs people in through their own organization’s identity provider and remembers
            them.
          </p>
          ${
            session
              ? html`<p>
                  You are signed in as <strong>${session.person.name}</strong>.
                  <a href="/account">See your account</a>.
                </p>`
              : html`<p><a href="/login">Sign in</a></p>`
          }
          <h2>People you can sign in as</h2>
          <ul>
            ${provider.people.map(({ name, role, suspended }) => html`<li>${name}: ${role}${suspended ? ', suspended' : ''}</li>`)}
          </ul>
          <p><a href="${provider.issuer}">Their identity provider</a> runs beside it.</p>`,
      ),
  }
}
