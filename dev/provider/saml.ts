// A SAML identity provider beside the OpenID one, with the same people, on an implementation of SAML that is not ours.

import { Hono, type Context } from 'hono'
import { LRUCache } from 'lru-cache'
import type { IdentityProviderInstance, ServiceProviderInstance } from 'samlify'
import { inflateRawSync } from 'node:zlib'
import { randomToken } from '../../src/lib/secrets.ts'
import type { KeyPair } from '../../src/providers/saml/certificate.ts'
import { sayings, statements, type Addressed } from './saml-message.ts'
import { messagePage, signInPage, takeBackPage } from './pages.ts'
import type { DevelopmentPerson } from './people.ts'

/** What a {@link SamlProvider} is made of. */
export interface SamlParts {
  readonly origin: string
  readonly organization: string
  readonly people: readonly DevelopmentPerson[]
  /** Asked for once, when it is first needed: making one takes time. */
  readonly key: () => Promise<KeyPair>
  /** The metadata of an application, which is named by their address. */
  readonly metadataOf: (entityId: string) => Promise<string>
}

/** The provider's other half. All it knows is in memory. */
export interface SamlProvider {
  /** Also the address of its metadata. */
  readonly entityId: string
  readonly ssoUrl: string
  /** PEM. */
  certificate(): Promise<string>
  /** A response that nobody has asked for, as a page of applications sends it: base64. */
  volunteer(person: DevelopmentPerson, application: string): Promise<string>
}

type Application = ServiceProviderInstance
type Sent = Parameters<IdentityProviderInstance['parseLoginRequest']>[2]

/** A sign-in that waits for somebody to be chosen. */
interface Waiting {
  readonly application: Application
  readonly requestId: string | undefined
  readonly relayState: string | undefined
}

const bindings = 'urn:oasis:names:tc:SAML:2.0:bindings:'

/**
 * The SAML half of the development provider, and its pages below `/saml`. It takes signed requests, by redirect and by
 * form, of every application on this machine, and signs the assertions it gives.
 */
export function createSamlProvider(parts: SamlParts): SamlProvider & { readonly pages: Hono } {
  const { origin, organization, people } = parts
  const entityId = `${origin}/saml/metadata`
  const ssoUrl = `${origin}/saml/sso`
  const key = once(parts.key)
  const certificate = async () => (await key()).certificate
  const metadata = async () => metadataWith(entityId, ssoUrl, await certificate())
  const opened = once(async () => open(await metadata(), (await key()).privateKey))
  const waiting = new LRUCache<string, Waiting>({ max: 1000 })

  /** Reads a request, signed by the application that it names. */
  async function read(how: 'redirect' | 'post', xml: string, sent: Sent): Promise<Waiting> {
    const { library, idp } = await opened()
    const issuer = /<(?:\w+:)?Issuer[^>]*>\s*([^<\s]+)\s*</.exec(xml)?.[1] ?? ''
    const application = library.ServiceProvider({ metadata: await parts.metadataOf(issuer) })
    const request = await idp.parseLoginRequest(application, how, sent)
    const { RelayState: relayState } = (sent.query ?? sent.body ?? {}) as Record<string, string>
    return { application, requestId: String(request.extract.request?.id), relayState }
  }

  async function respond(
    { application, requestId }: Waiting,
    person: DevelopmentPerson,
  ): Promise<string> {
    const { library, idp } = await opened()
    const values = sayings(person, { ...addressed(application), issuer: entityId, requestId })
    const customTagReplacement = (template: string) => ({
      id: values.ID,
      context: library.SamlLib.replaceTagsByValue(
        template.replace('{AuthnStatement}{AttributeStatement}', statements),
        values,
      ),
    })
    const written = await idp.createLoginResponse(application, {} as never, 'post', {} as never, {
      customTagReplacement,
    })
    return written.context
  }

  /** Keeps a request until somebody is chosen. */
  function choose(c: Context, found: Waiting): Response {
    const id = randomToken(16)
    waiting.set(id, found)
    return c.redirect(`/saml/choose/${id}`, 303)
  }

  function takeBack(c: Context, { application, relayState }: Waiting, response: string) {
    const { acs } = addressed(application)
    return c.html(takeBackPage(organization, { acs, response, relayState }))
  }

  const pages = new Hono()
  pages.get('/metadata', async (c) =>
    c.body(await metadata(), 200, { 'content-type': 'application/samlmetadata+xml' }),
  )
  pages.get('/take-back.js', (c) =>
    c.body('document.forms[0].submit()', 200, { 'content-type': 'text/javascript' }),
  )
  pages.get('/sso', async (c) => {
    const query = c.req.query()
    const xml = inflateRawSync(decoded(query['SAMLRequest']), { maxOutputLength: 100_000 })
    const octetString = new URL(c.req.url).search.slice(1).replace(/&Signature=[^&]*/, '')
    return choose(c, await read('redirect', String(xml), { query, octetString }))
  })
  pages.post('/sso', async (c) => {
    const body = (await c.req.parseBody()) as Record<string, string>
    return choose(c, await read('post', String(decoded(body['SAMLRequest'])), { body }))
  })
  pages.get('/choose/:id', (c) => {
    const found = waiting.get(c.req.param('id'))
    if (!found) return c.notFound()
    const client = addressed(found.application).audience
    c.header('cache-control', 'no-store')
    return c.html(signInPage(organization, people, { path: c.req.path, client }))
  })
  pages.post('/choose/:id/cancel', (c) => {
    const found = waiting.get(c.req.param('id'))
    return found ? takeBack(c, found, refusal(found, entityId)) : c.notFound()
  })
  pages.post('/choose/:id/sign-in/:person', async (c) => {
    const found = waiting.get(c.req.param('id'))
    const person = people.find(({ id }) => id === c.req.param('person'))
    if (!found || !person) return c.notFound()
    if (person.suspended) return takeBack(c, found, refusal(found, entityId))
    return takeBack(c, found, await respond(found, person))
  })
  pages.onError((error, c) => {
    const text = `This request cannot be answered: ${error.message}`
    return c.html(messagePage(organization, 'Start again', text), 400)
  })

  return {
    entityId,
    ssoUrl,
    certificate,
    pages,
    async volunteer(person, application) {
      const { library } = await opened()
      const known = library.ServiceProvider({ metadata: await parts.metadataOf(application) })
      return respond({ application: known, requestId: undefined, relayState: undefined }, person)
    },
  }
}

/** The library is large, and loaded when somebody comes to use it. */
async function open(metadata: string, privateKey: string) {
  const { default: library } = await import('samlify')
  // It wants a validator for the schema from whoever uses it; what comes here is read all the same.
  library.setSchemaValidator({ validate: async () => 'not checked' })
  const idp = library.IdentityProvider({
    metadata,
    privateKey,
    requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    generateID: () => `_${randomToken()}`,
  })
  return { library, idp }
}

function once<Made>(make: () => Promise<Made>): () => Promise<Made> {
  let made: Promise<Made> | undefined
  return () => (made ??= make())
}

function decoded(base64: string | undefined): Buffer {
  if (!base64) throw new Error('there is no SAMLRequest')
  return Buffer.from(base64, 'base64')
}

function addressed({ entityMeta }: Application): Pick<Addressed, 'acs' | 'audience'> {
  const acs = String(entityMeta.getAssertionConsumerService('post'))
  return { acs, audience: String(entityMeta.getEntityID()) }
}

/** What the provider says of itself (SAML Metadata §2.4.3). */
function metadataWith(entityId: string, ssoUrl: string, certificate: string): string {
  const service = (name: string) =>
    `<SingleSignOnService Binding="${bindings}${name}" Location="${ssoUrl}"/>`
  return [
    `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${entityId}">`,
    '<IDPSSODescriptor WantAuthnRequestsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">',
    '<KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>',
    `<ds:X509Certificate>${certificate.replace(/-----[^-]+-----|\s/g, '')}</ds:X509Certificate>`,
    '</ds:X509Data></ds:KeyInfo></KeyDescriptor>',
    '<NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</NameIDFormat>',
    service('HTTP-Redirect'),
    service('HTTP-POST'),
    '</IDPSSODescriptor></EntityDescriptor>',
  ].join('\n')
}

const status = 'urn:oasis:names:tc:SAML:2.0:status:'

/** That the provider refuses somebody (SAML Core §3.2.2.2). It says nothing of anybody, and so it is not signed. */
function refusal({ application, requestId }: Waiting, issuer: string): string {
  const xml = [
    '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"',
    ` ID="_${randomToken()}" Version="2.0" IssueInstant="${new Date().toISOString()}"`,
    ` Destination="${addressed(application).acs}" InResponseTo="${requestId}"><saml:Issuer>${issuer}</saml:Issuer>`,
    `<samlp:Status><samlp:StatusCode Value="${status}Responder"><samlp:StatusCode Value="${status}AuthnFailed"/></samlp:StatusCode>`,
    '<samlp:StatusMessage>Suspended, or cancelled</samlp:StatusMessage></samlp:Status></samlp:Response>',
  ].join('')
  return Buffer.from(xml).toString('base64')
}
