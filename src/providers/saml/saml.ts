import { z } from 'zod'
import { seconds } from '../../lib/clock.ts'
import { once } from '../../lib/once.ts'
import { randomToken } from '../../lib/secrets.ts'
import { refused } from '../faults.ts'
import type { Checked, ProviderKind, Published } from '../kind.ts'
import { prove, type Proof, type ProofData } from '../proof.ts'
import type {
  Departure,
  Destination,
  Posted,
  Provider,
  ProviderContext,
  Received,
  Remembered,
} from '../provider.ts'
import {
  currentKey,
  nameIdFormats,
  samlConfig,
  type NameIdFormat,
  type SamlConfig,
} from './config.ts'
import { describeKeys } from './keys.ts'
import { metadataType, writeMetadata } from './own-metadata.ts'
import { toRedirect } from './redirect-binding.ts'
import { writeAuthnRequest } from './request.ts'

/** Loaded with the first response: most servers never see one. */
const reader = once(() => import('./response.ts'))

/** SAML 2.0, Web Browser SSO profile: requests by redirect or form, responses by form (SAML Profiles §4.1). */
export const saml: ProviderKind<SamlConfig> = {
  name: 'SAML 2.0',
  config: samlConfig,
  issuerOf: ({ idp }) => idp.entityId,
  publish,
  prepare: async (drafted, context) => (await import('./prepare.ts')).prepareSaml(drafted, context),
  open: (config, context) => open(config, context),
  check: async (config) => check(config),
}

function open(config: SamlConfig, context: ProviderContext): Provider {
  return {
    begin: (to) => begin(to, config, context),
    receive: (posted) => receive(posted, config, context),
    complete: async (_back, remember) => complete(remember, config, context),
    // Loaded with the first: most servers never see one.
    logout: async (ended) => (await import('./logout.ts')).startLogout(ended, config, context),
    hearLogout: async (post) => (await import('./logout.ts')).hearLogout(post, config, context),
  }
}

/** Nobody is asked: a provider's own description is its metadata, and reading that is another matter. */
function check(config: SamlConfig): Checked {
  const problems =
    config.signRequests && !currentKey(config)
      ? ['keys: Requests are to be signed, and there is no current key to sign with.']
      : []
  return { problems, published: {} }
}

/** Our metadata, as far as the settings go: a provider may want it before it has anything to tell us. */
function publish(settings: unknown, redirectUri: string): Published {
  const config = samlConfig.safeParse(settings).data
  const certificates = describeKeys(settings)
    .filter(({ state }) => state !== 'retired')
    .map(({ base64 }) => base64)
  const wanted: readonly NameIdFormat[] =
    config?.subject.from === 'nameid' ? config.subject.formats : ['persistent']
  const body = writeMetadata({
    addresses: ownAddresses(redirectUri),
    certificates,
    signsRequests: config?.signRequests ?? true,
    nameIdFormats: wanted.map((name) => nameIdFormats[name]),
  })
  return { type: metadataType, body }
}

/** Where a connection's provider finds us, and who we are to it: no two connections share any of these. */
export interface SamlAddresses {
  /** Our identifier; the address of our metadata at the same time. */
  readonly entityId: string
  /** Where responses to sign-ins are posted. */
  readonly acs: string
  /** Where messages about signing out go. */
  readonly slo: string
}

/** Our own addresses towards a connection's provider: all of them lie beside its redirect URI. */
export function ownAddresses(redirectUri: string): SamlAddresses {
  const beside = (name: string) => new URL(name, redirectUri).href
  return { entityId: beside('metadata'), acs: beside('acs'), slo: beside('slo') }
}

async function begin(
  to: Destination,
  config: SamlConfig,
  context: ProviderContext,
): Promise<Departure> {
  const now = context.clock.now()
  const { entityId, acs } = ownAddresses(to.redirectUri)
  const { ssoUrl, ssoBinding, entityId: issuer } = config.idp
  const key = config.signRequests ? currentKey(config) : undefined
  if (config.signRequests && !key) throw refused('saml_no_signing_key')
  // An identifier may not begin with a digit.
  const remember = { issuer, requestId: `_${randomToken()}`, ...freshness(to, now) }
  const formats = config.subject.from === 'nameid' ? config.subject.formats : []
  const xml = writeAuthnRequest({
    id: remember.requestId,
    issuedAt: now,
    destination: ssoUrl,
    entityId,
    acs,
    force: to.prompt === 'login' || to.maxAge === 0,
    nameIdFormat: formats.length === 1 ? nameIdFormats[formats[0]!] : undefined,
  })
  if (ssoBinding === 'redirect') {
    const message = { name: 'SAMLRequest', xml, relayState: to.handle } as const
    return { redirect: toRedirect(ssoUrl, message, key?.privateKey.reveal()), remember }
  }
  const signed = key
    ? (await import('./signature.ts')).signMessage(xml, {
        privateKey: key.privateKey.reveal(),
        certificate: key.certificate.toString(),
      })
    : xml
  const post = { SAMLRequest: Buffer.from(signed).toString('base64'), RelayState: to.handle }
  return { redirect: new URL(ssoUrl), post, remember }
}

/** Since when the person must have authenticated, in milliseconds; SAML can only ask for now or for whenever. */
function freshness({ maxAge }: Destination, now: Date): { since?: number } {
  return maxAge === undefined ? {} : { since: now.getTime() - seconds(maxAge) }
}

const memory = z.object({
  issuer: z.string(),
  requestId: z.string(),
  since: z.number().optional(),
  /** What a provider said, once it has: JSON. */
  said: z.string().optional(),
  /** When that is too old to act upon, in milliseconds. */
  until: z.number().optional(),
})

/** Judges what was posted. What passes is remembered, and becomes a proof once the right browser asks for it. */
async function receive(
  posted: Posted,
  config: SamlConfig,
  { clock }: ProviderContext,
): Promise<Received> {
  const request = posted.remember && memory.parse(posted.remember)
  if (request && request.issuer !== config.idp.entityId) throw refused('provider_changed')
  const { SAMLResponse: response } = posted.form
  if (response === undefined) throw refused('saml_response_missing')
  const { entityId, acs } = ownAddresses(posted.redirectUri)
  const { readResponse } = await reader()
  const { id, until, said } = readResponse(response, config, {
    acs,
    entityId,
    requestId: request?.requestId ?? null,
    unsolicited: posted.unsolicited ?? false,
    address: posted.address,
    now: clock.now(),
  })
  const kept = { said: JSON.stringify(said), until: until.getTime() }
  return { once: { id, until }, remember: { ...request, ...kept } }
}

function complete(remember: Remembered, config: SamlConfig, context: ProviderContext): Proof {
  const { issuer, said: text, until, since } = memory.parse(remember)
  if (issuer !== config.idp.entityId) throw refused('provider_changed')
  if (text === undefined || until === undefined) throw refused('saml_response_missing')
  if (context.clock.now().getTime() >= until) throw refused('saml_not_on_or_after')
  const said = JSON.parse(text) as Omit<ProofData, 'connectionId'>
  const authenticatedAt = Date.parse(said.authenticatedAt ?? '')
  if (since !== undefined && !(authenticatedAt >= since - seconds(config.clockSkewSeconds)))
    throw refused('assurance_insufficient')
  return prove({ ...said, connectionId: context.connectionId })
}
