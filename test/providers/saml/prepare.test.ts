import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { pino } from 'pino'
import { createEgress } from '../../../src/lib/egress.ts'
import { checkConnection, prepareSettings } from '../../../src/providers/index.ts'
import { keysIn, newKey } from '../../../src/providers/saml/keys.ts'
import { presets, readAnswers } from '../../../src/providers/presets.ts'
import { TestClock } from '../../_clock.ts'
import { serve } from '../../_servers.ts'
import { idpKey, idpMetadata } from './_metadata.ts'

const context = {
  egress: createEgress({ allowLoopback: true }),
  clock: new TestClock(),
  log: pino({ enabled: false }),
  connectionId: 'c1',
}

const prepare = (answers: Record<string, string>, before: unknown = {}) =>
  prepareSettings(
    'saml',
    { settings: readAnswers(presets.saml, answers), answers, before, organization: 'Acme' },
    context,
  )
const refuses = (answers: Record<string, string>, problem: RegExp) =>
  assert.rejects(
    prepare(answers),
    ({ code, members }: { code: string; members: { problems: string[] } }) => {
      assert.equal(code, 'config_rejected')
      assert.match(members.problems.join(), problem)
      return true
    },
  )

suite('SAML settings out of an administrator’s answers', () => {
  test('metadata that is pasted makes them whole, with a key of our own', async () => {
    const settings = await prepare({ metadata: idpMetadata() })
    await checkConnection('saml', settings, context)
    assert.deepEqual(
      keysIn(settings).map(({ state }) => state),
      ['current'],
    )
    assert.equal(
      (settings as { idp: { ssoUrl: string } }).idp.ssoUrl,
      'https://idp.example.com/sso',
    )
  })

  test('keys that are there stay', async () => {
    const key = await newKey('Acme', 'current', context.clock.now())
    const settings = await prepare({ metadata: idpMetadata() }, { keys: [key] })
    assert.deepEqual(keysIn(settings), [key])
  })

  test('metadata at its address is fetched, and the address kept', async (t) => {
    const port = await serve(t, (_request, response) => response.end(idpMetadata()))
    const metadataUrl = `http://127.0.0.1:${port}/metadata`
    const settings = await prepare({ metadataUrl })
    await checkConnection('saml', settings, context)
    assert.equal((settings as { metadataUrl: string }).metadataUrl, metadataUrl)
  })

  test('what was entered by hand needs no metadata', async () => {
    const by = { idpEntityId: 'https://idp.example.com', ssoUrl: 'https://idp.example.com/sso' }
    await checkConnection('saml', await prepare({ ...by, certificate: idpKey.cert }), context)
  })

  test('SML-26 what cannot be taken is said in words', async (t) => {
    await refuses({ metadata: '<!DOCTYPE a>' }, /^metadata: This cannot be read/)
    const two = idpMetadata({ entityId: 'https://a.example' }).replace('_m1', '_m2')
    const several = `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${two}${idpMetadata()}</md:EntitiesDescriptor>`
    await refuses({ metadata: several }, /several.* It describes: https:\/\/a\.example, /)
    const chosen = await prepare({ metadata: several, idpEntityId: 'https://a.example' })
    assert.equal((chosen as { idp: { entityId: string } }).idp.entityId, 'https://a.example')
    const port = await serve(t, (_request, response) =>
      response.writeHead(302, { location: '/x' }).end(),
    )
    for (const metadataUrl of [
      `http://127.0.0.1:${port}/`,
      'https://10.0.0.1/',
      'http://idp.example.com/',
      'http://127.0.0.1:1/',
    ])
      await refuses({ metadataUrl }, /^metadataUrl: The metadata cannot be fetched from there\.$/)
  })
})
