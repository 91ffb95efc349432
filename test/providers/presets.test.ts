import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../src/lib/errors.ts'
import { oauth2Config } from '../../src/providers/oauth2-config.ts'
import { oidcConfig } from '../../src/providers/oidc-config.ts'
import {
  findPreset,
  presets,
  readAnswers,
  type Place,
  type Preset,
  type PresetKey,
} from '../../src/providers/presets.ts'
import { samlConfig } from '../../src/providers/saml/config.ts'
import { selfSigned } from '../_certificate.ts'

type Answers = Record<string, string>

const kinds = { oidc: oidcConfig, oauth2: oauth2Config, saml: samlConfig }
const { cert } = selfSigned('id.example')

/** What metadata says, which is beside the answers. */
const idp = {
  entityId: 'https://id.example',
  ssoUrl: 'https://id.example/sso',
  certificates: [cert],
}

/** Every question answered with its own example. */
function examples(key: PresetKey, more: Answers = {}): Answers {
  const answers = presets[key].asks.map(({ name, example }) => [name, example || 'a-secret'])
  return { ...(Object.fromEntries(answers) as Answers), ...more }
}

function settings(key: PresetKey, more?: Answers): Record<string, unknown> {
  return readAnswers(presets[key], examples(key, more))
}

function problems(key: PresetKey, given: Answers): readonly string[] {
  try {
    readAnswers(presets[key], given)
  } catch (error) {
    assert.ok(error instanceof AppError)
    assert.equal(error.code, 'config_rejected')
    return (error.members as { problems: string[] }).problems
  }
  return assert.fail('accepted')
}

const rows = Object.entries(presets) as [PresetKey, Preset][]

for (const [key, preset] of rows) {
  test(`S0-23 the settings of ${key}, filled in as its examples show, are such as its kind reads`, () => {
    const told = preset.kind === 'saml' ? { idp } : {}
    const { error } = kinds[preset.kind].safeParse({ ...settings(key), ...told })
    assert.deepEqual(error?.issues ?? [], [])
  })

  test(`${key} says everything that is missing at once, by the names of its questions`, () => {
    const required = preset.asks.filter(({ optional }) => !optional).map(({ name }) => name)
    const said = problems(key, {})
    if (required.length > 0)
      assert.deepEqual(
        said,
        required.map((name) => `${name}: Fill this in.`),
      )
    const names = preset.asks.map(({ name }) => name)
    assert.ok(said.length > 0)
    for (const problem of said) assert.ok(names.includes(problem.split(':')[0]!), problem)
  })

  test(`${key} says what to do at the provider, and gives every address that it needs`, () => {
    const places = new Set(preset.guide.flatMap(({ copy = [] }) => copy.map(({ place }) => place)))
    const needed: Record<Preset['kind'], Place[]> = {
      oidc: ['redirectUri'],
      oauth2: ['redirectUri'],
      saml: ['acsUrl', 'entityId'],
    }
    for (const place of needed[preset.kind]) assert.ok(places.has(place), place)
    assert.equal(places.has('redirectUri'), preset.kind !== 'saml')
    assert.equal(new Set(preset.asks.map(({ name }) => name)).size, preset.asks.length)
    assert.match(preset.documentation, /^https:\/\//)
    for (const text of [
      ...preset.guide.map((step) => step.text),
      ...preset.notes,
      preset.leaving,
      ...preset.asks.flatMap(({ label, help }) => [label, help]),
    ])
      assert.match(text, /^(?!.*(?:<|\{|  )).+$/, text)
  })

  test(`what is secret in ${key} is known to be`, () => {
    for (const { name, secret } of preset.asks) assert.equal(Boolean(secret), /secret/i.test(name))
  })
}

test('S0-23 SSO-151 a preset that there is not is not found, whatever its name', () => {
  for (const key of ['nobody', '', '__proto__', 'constructor'])
    assert.equal(findPreset(key), undefined)
  assert.equal(findPreset('okta'), presets.okta)
})

test('FET-01 a problem never repeats what was given: it could be a secret in the wrong field', () => {
  for (const [key, preset] of rows) {
    const given = Object.fromEntries(preset.asks.map(({ name }) => [name, 'CANARY <b> {x}']))
    try {
      readAnswers(preset, given)
    } catch (error) {
      assert.ok(!JSON.stringify((error as AppError).members).includes('CANARY'), key)
    }
  }
})

/** What is given, and what comes of it: the issuer, or the problem. */
const issuers: readonly (readonly [
  PresetKey,
  name: string,
  given: string,
  expected: string | RegExp,
])[] = [
  ['okta', 'domain', 'acme.okta.com', 'https://acme.okta.com'],
  ['okta', 'domain', 'https://acme.okta.com/', 'https://acme.okta.com'],
  ['okta', 'domain', ' ACME.okta.com ', 'https://acme.okta.com'],
  ['okta', 'domain', 'acme-admin.okta.com', /^domain: Give your Okta domain/],
  ['okta', 'domain', 'acme', /^domain: /],
  ['okta', 'domain', 'acme.okta.com:8443', /^domain: /],
  ['okta', 'domain', 'acme.okta.com/oauth2/default', /^domain: /],
  ['okta', 'domain', 'https://user@acme.okta.com', /^domain: /],
  ['onelogin', 'domain', 'https://acme.onelogin.com', 'https://acme.onelogin.com/oidc/2'],
  ['auth0', 'domain', 'acme.eu.auth0.com', 'https://acme.eu.auth0.com/'],
  ['keycloak', 'realm', 'https://id.acme.com/realms/a/', 'https://id.acme.com/realms/a'],
  ['keycloak', 'realm', 'https://id.acme.com/auth/realms/a', 'https://id.acme.com/auth/realms/a'],
  ['keycloak', 'realm', 'https://id.acme.com', /^realm: /],
  ['keycloak', 'realm', 'javascript:/realms/a', /^realm: /],
  [
    'ping',
    'issuer',
    'https://auth.pingone.com/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6/as/',
    'https://auth.pingone.com/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6/as',
  ],
  ['ping', 'issuer', 'https://auth.pingone.com/authorize', /^issuer: /],
  ['gitlab', 'host', 'git.acme.com', 'https://git.acme.com'],
  ['jumpcloud', 'issuer', '', 'https://oauth.id.jumpcloud.com/'],
  ['oidc', 'issuer', 'https://id.acme.com/', 'https://id.acme.com/'],
  [
    'entra',
    'tenant',
    '8EAEF023-2B34-4DA1-9BAA-8BC8C9D6A490',
    'https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0',
  ],
  ['entra', 'tenant', 'common', /^tenant: /],
  ['entra', 'tenant', 'organizations', /^tenant: /],
  ['entra', 'tenant', 'consumers', /^tenant: /],
  ['entra', 'tenant', 'acme.onmicrosoft.com', /^tenant: /],
  ['entra', 'tenant', '{tenantid}', /^tenant: /],
]

for (const [key, name, given, expected] of issuers) {
  test(`IDT-16 ${key}: “${given}” as ${name} ${typeof expected === 'string' ? `is the issuer ${expected}` : 'is refused'}`, () => {
    if (typeof expected === 'string')
      assert.equal(settings(key, { [name]: given }).issuer, expected)
    else assert.match(problems(key, examples(key, { [name]: given }))[0]!, expected)
  })
}

test('SSO-143 one Google domain or several become the values of hd that will do', () => {
  const several = settings('google', { domains: 'Acme.com,\nacme.example' })
  assert.deepEqual(several.requiredClaims, { hd: ['acme.com', 'acme.example'] })
  const asked = { access_type: 'offline', prompt: 'consent' }
  assert.deepEqual(several.authorizationParameters, { ...asked, hd: '*' })
  assert.deepEqual(settings('google').authorizationParameters, { ...asked, hd: 'acme.com' })
  for (const domains of ['@acme.com', 'acme', 'acme.com;x', ','])
    assert.match(problems('google', examples('google', { domains }))[0]!, /^domains: /)
})

test('SSO-111 an address is believed to be verified of those that are known to verify it', () => {
  const never = rows.filter(([key]) => settings(key).emailVerified === 'never').map(([key]) => key)
  assert.deepEqual(never, ['entra'])
  assert.equal(settings('github').emailsEndpoint, 'https://api.github.com/user/emails')
  assert.ok(!JSON.stringify(settings('oauth2')).includes('emailVerified'))
})

test('everybody has an account at gitlab.com, so a group has to be named there', () => {
  const without = examples('gitlab', { group: '' })
  assert.match(problems('gitlab', without)[0]!, /^group: Name a group/)
  assert.match(problems('gitlab', { ...without, host: 'GitLab.com' })[0]!, /^group: /)
  assert.equal(
    readAnswers(presets.gitlab, { ...without, host: 'git.acme.com' }).requiredGroups,
    undefined,
  )
  assert.deepEqual(settings('gitlab', { group: 'acme/staff' }).requiredGroups, ['acme/staff'])
  for (const group of ['acme/', '/acme', 'a b'])
    assert.match(problems('gitlab', examples('gitlab', { group }))[0]!, /^group: /)
})

test('a GitHub organization is named by its name and its number', () => {
  const { membership } = settings('github', { organization: 'https://github.com/acme' })
  assert.deepEqual(membership, {
    url: 'https://api.github.com/user/memberships/orgs/acme',
    requires: { state: 'active', 'organization.id': 9919 },
  })
  for (const organization of ['acme/repo', '../user', 'a%2fb', 'acme?x', ''])
    assert.match(problems('github', examples('github', { organization }))[0]!, /^organization: /)
  for (const organizationId of ['acme', '0', '-1', '9919.5', '1e3', '9'.repeat(20)])
    assert.match(
      problems('github', examples('github', { organizationId }))[0]!,
      /^organizationId: /,
    )
})

test('SAML can be described by an address, by a file or by hand, and not by nothing', () => {
  const only = (more: Answers): Record<string, unknown> => readAnswers(presets.saml, more)
  assert.equal(only({ metadataUrl: 'https://a.example/m' }).metadataUrl, 'https://a.example/m')
  assert.equal(only({ metadata: '<x/>' }).idp, undefined)
  const hand = { idpEntityId: 'urn:idp', ssoUrl: 'https://a.example/sso', certificate: cert }
  assert.ok(samlConfig.safeParse(only(hand)).success)
  assert.deepEqual(problems('saml', { idpEntityId: 'urn:idp' }), [
    'ssoUrl: Fill this in.',
    'certificate: Fill this in.',
  ])
  assert.equal(only({ ...hand, metadata: '<x/>' }).idp, undefined, 'the metadata counts')
})

test('no SAML preset with a name of its own leaves people to be known by an address', () => {
  const subjects = rows
    .filter(([key, { kind }]) => kind === 'saml' && key !== 'saml')
    .map(([key, { guide }]) => [key, settings(key).subject, JSON.stringify(guide)] as const)
  assert.equal(subjects.length, 5)
  for (const [key, subject, guide] of subjects) {
    const { from, name } = subject as { from: string; name?: string }
    if (from === 'attribute') assert.doesNotMatch(name!, /mail|upn|login/i, key)
    else assert.match(guide, /NameID/, key)
  }
})

test('whoever gives refresh tokens for a scope is asked for it, and nobody else is', () => {
  const asking = rows
    .filter(([, { kind }]) => kind === 'oidc')
    .filter(([key]) => JSON.stringify(settings(key, { scopes: '' })).includes('offline'))
    .map(([key]) => key)
  assert.deepEqual(asking, ['google', 'entra', 'okta', 'jumpcloud', 'auth0', 'keycloak'])
  assert.deepEqual(settings('oidc', { scopes: 'openid  offline_access' }).scopes, [
    'openid',
    'offline_access',
  ])
})
