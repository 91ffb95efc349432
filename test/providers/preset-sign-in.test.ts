import assert from 'node:assert/strict'
import { test } from 'node:test'
import { presets, readAnswers, type PresetKey } from '../../src/providers/presets.ts'
import type { Provider } from '../../src/providers/provider.ts'
import type { Json } from '../hostile-provider.ts'
import { createWorld, refuses } from './_sign-in.ts'

const world = await createWorld()
const { hostile } = world
const tenant = '8eaef023-2b34-4da1-9baa-8bc8c9d6a490'

/** A connection as a preset sets it up, at the provider on loopback. */
function connect(key: PresetKey, answers: Record<string, string>): Provider {
  const { clientId, clientSecret, issuer } = hostile
  const settings = readAnswers(presets[key], { ...answers, clientId, clientSecret })
  return world.connect({ ...settings, issuer })
}

function claiming(more: Json): void {
  hostile.twist({ claims: (claims) => ({ ...claims, ...more }) })
}

test('IDT-17 Google: people of the Workspace are let in, and private accounts with its addresses are not', async () => {
  const provider = connect('google', { domains: 'acme.com, acme.example' })
  for (const hd of ['acme.com', 'acme.example']) {
    claiming({ hd })
    assert.equal((await world.signIn(provider)).claims.emailVerified, true)
  }
  for (const hd of [undefined, 'evil.example', 'alias.acme.com', ['acme.com']]) {
    claiming({ hd, email: 'ceo@acme.com', email_verified: true })
    await refuses(world, world.signIn(provider), 'sso_failed', 'required_claim_differs')
  }
})

test('IDT-16 Entra: only the tenant’s own people are let in, and no address of theirs counts as verified', async () => {
  const provider = connect('entra', { tenant })
  claiming({ tid: tenant, email: 'victim@example.com', email_verified: true, xms_edov: true })
  const { subject, claims } = await world.signIn(provider)
  assert.deepEqual([subject, claims.emailVerified], ['ada', false])
  for (const tid of [undefined, tenant.toUpperCase(), '00000000-0000-0000-0000-000000000000']) {
    claiming({ tid, email: 'victim@example.com' })
    await refuses(world, world.signIn(provider), 'sso_failed', 'required_claim_differs')
  }
})

test('IDT-16 Entra: a token in another issuer’s name is refused though its tenant is right', async () => {
  claiming({ tid: tenant, iss: `https://login.microsoftonline.com/${tenant}/v2.0` })
  const attempt = world.signIn(connect('entra', { tenant }))
  await refuses(world, attempt, 'sso_failed', 'id_token_invalid: iss')
})

test('Okta, OneLogin, JumpCloud and PingOne: name and address come from UserInfo', async () => {
  const rows: [PresetKey, Record<string, string>][] = [
    ['okta', { domain: 'acme.okta.com' }],
    ['onelogin', { domain: 'acme.onelogin.com' }],
    ['jumpcloud', {}],
    ['ping', { issuer: `https://auth.pingone.com/${tenant}/as` }],
  ]
  for (const [key, answers] of rows) {
    hostile.reset()
    claiming({ name: undefined, email: undefined, email_verified: undefined })
    const { name, email } = (await world.signIn(connect(key, answers))).claims
    assert.deepEqual([key, name, email], [key, 'Ada', 'ada@example.com'])
    assert.equal(hostile.count('userinfo'), 1)
  }
})

test('Auth0: the slash at the end belongs to the issuer, in the document and in every answer', async () => {
  const issuer = `${hostile.issuer}/`
  const { clientId, clientSecret } = hostile
  const answers = { domain: 'acme.eu.auth0.com', clientId, clientSecret }
  const provider = world.connect({ ...readAnswers(presets.auth0, answers), issuer })
  const honest = {
    discovery: (document: Json) => ({ ...document, issuer }),
    claims: (claims: Json) => ({ ...claims, iss: issuer }),
    back: (url: URL) => url.searchParams.set('iss', issuer),
  }
  hostile.twist(honest)
  assert.equal((await world.signIn(provider)).issuer, issuer)
  hostile.twist({ ...honest, claims: (claims) => claims })
  await refuses(world, world.signIn(provider), 'sso_failed', 'id_token_invalid: iss')
})

test('Keycloak: one realm is one issuer', async () => {
  const provider = connect('keycloak', { realm: 'https://id.acme.com/realms/acme' })
  assert.equal((await world.signIn(provider)).subject, 'ada')
  claiming({ iss: `${hostile.issuer}/realms/other` })
  await refuses(world, world.signIn(provider), 'sso_failed', 'id_token_invalid: iss')
})

test('GitLab: members of the group are let in, wherever it is told; nobody else is', async () => {
  const provider = connect('gitlab', { host: 'gitlab.com', group: 'acme' })
  const inGroups = (groups: unknown): void =>
    hostile.twist({ userinfo: (claims) => ({ ...claims, groups }) })
  inGroups(['other', 'acme'])
  assert.deepEqual((await world.signIn(provider)).claims.groups, ['other', 'acme'])
  for (const groups of [[], ['acme/staff'], ['Acme'], ['acme ']]) {
    inGroups(groups)
    await refuses(world, world.signIn(provider), 'sso_denied', 'membership: not a member: groups')
  }
  for (const groups of [undefined, 'acme', { acme: true }, [['acme']], null]) {
    inGroups(groups)
    await refuses(world, world.signIn(provider), 'sso_failed', 'groups: not told')
  }
})

test('GitLab: what UserInfo says of groups counts, not what the ID token says', async () => {
  const provider = connect('gitlab', { host: 'gitlab.com', group: 'acme' })
  hostile.twist({
    claims: (claims) => ({ ...claims, groups: ['acme'] }),
    userinfo: (claims) => ({ ...claims, groups: ['other'] }),
  })
  await refuses(world, world.signIn(provider), 'sso_denied', /groups/)
})

test('GitLab: asked again, somebody who left the group is out, and silence is no answer', async () => {
  const provider = connect('gitlab', { host: 'gitlab.com', group: 'acme' })
  const inGroups = (groups: unknown): void =>
    hostile.twist({ userinfo: (claims) => ({ ...claims, groups }) })
  inGroups(['acme'])
  const { issuer, subject, grant } = await world.signIn(provider)
  const idToken = hostile.canaries.at(-1)!
  const tokens = { accessToken: grant!.accessToken!, idToken }
  const asking = [
    () => provider.again!.userinfo!(tokens.accessToken, { issuer, subject }, false),
    () => provider.again!.judge!(tokens, { issuer, subject }),
  ]
  for (const ask of asking) {
    inGroups(['acme', 'other'])
    assert.equal((await ask()).answer, 'still_true')
    inGroups(['other'])
    assert.deepEqual(await ask(), {
      answer: 'no_longer_true',
      reason: 'membership: not a member: groups',
    })
    inGroups(undefined)
    assert.equal((await ask()).answer, 'could_not_tell')
  }
})
