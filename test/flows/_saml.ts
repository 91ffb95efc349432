import assert from 'node:assert/strict'
import type { Browser } from '../_browser.ts'
import { refreshOf } from '../_browser.ts'
import { startTestApp, type TestApp, type TestAppOptions } from '../_app.ts'
import { fromRedirect } from '../../src/providers/saml/redirect-binding.ts'
import { X509Certificate } from 'node:crypto'
import {
  conditions,
  confirmation,
  encoded,
  keys,
  said,
  settings,
  signedResponse,
  type Said,
} from '../providers/saml/_provider.ts'

/** A test application with one connection by SAML. */
export interface SamlApp {
  readonly app: TestApp
  readonly connectionId: string
  /** Where responses are posted. */
  readonly acs: string
  /** Begins a sign-in and answers what the provider gets. */
  begin(browser: Browser, returnTo?: string): Promise<{ handle: string; requestId: string }>
  /** A response of the honest provider to that request, but for `changed`. */
  respond(requestId: string | null, changed?: Partial<Said>): string
  /** Posts a form to the ACS as a browser does from the provider's page: without cookies. */
  post(browser: Browser, form: Record<string, string>): Promise<Response>
  /** The honest provider answers, but for `changed`, and the browser comes back. */
  answer(
    browser: Browser,
    begun: { readonly handle: string; readonly requestId: string },
    changed?: Partial<Said>,
  ): Promise<Response>
  /** The whole way of one sign-in, to the last answer. */
  signIn(browser: Browser, changed?: Partial<Said>): Promise<Response>
}

/** Starts one. */
export async function startSamlApp(
  options: TestAppOptions = {},
  stored: object = settings(),
): Promise<SamlApp> {
  const app = await startTestApp({ realProviders: true, ...options })
  const connectionId = await app.connect({ kind: 'saml', name: 'Acme SAML', settings: stored })
  const base = `${app.origin}/sso/${connectionId}`
  const acs = `${base}/acs`
  const at = (seconds: number) => new Date(app.clock.now().getTime() + seconds * 1000).toISOString()

  const it: SamlApp = {
    app,
    connectionId,
    acs,
    async begin(browser, returnTo = '/account') {
      const left = await browser.post(`/sso/${connectionId}/start`, { return_to: returnTo })
      const to = refreshOf(left)
      const ours = new X509Certificate(keys.ours.certificate).publicKey
      const { xml, relayState } = fromRedirect(to.search, [ours])
      const [, requestId] = /\bID="([^"]+)"/.exec(xml) ?? []
      return { handle: relayState!, requestId: requestId ?? assert.fail(xml) }
    },
    respond(requestId, changed = {}) {
      const answers = requestId === null ? '' : ` InResponseTo="${requestId}"`
      const usual = {
        destination: acs,
        conditions: conditions(
          [`${base}/metadata`],
          ` NotBefore="${at(-5)}" NotOnOrAfter="${at(300)}"`,
        ),
        confirmation: confirmation(`${answers} Recipient="${acs}" NotOnOrAfter="${at(300)}"`),
        issuedAt: app.clock.now(),
      }
      return signedResponse(said(requestId, { ...usual, ...changed }))
    },
    post: (browser, form) =>
      browser.post(`/sso/${connectionId}/acs`, form, {
        cookie: '',
        origin: 'https://idp.example',
        'sec-fetch-site': 'cross-site',
      }),
    signIn: async (browser, changed) => it.answer(browser, await it.begin(browser), changed),
    async answer(browser, { handle, requestId }, changed) {
      const form = { SAMLResponse: encoded(it.respond(requestId, changed)), RelayState: handle }
      const posted = await it.post(browser, form)
      if (posted.status !== 303) return posted
      return browser.get(posted.headers.get('location')!, { 'sec-fetch-site': 'cross-site' })
    },
  }
  return it
}
