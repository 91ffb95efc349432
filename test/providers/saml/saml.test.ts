import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  begun,
  comeBack,
  connectionId,
  idpEntityId,
  openSaml,
  responseAround,
  assertionOf,
  said,
  sign,
  signIn,
} from './_provider.ts'

describe('a SAML sign-in', () => {
  it('proves who the person is', async () => {
    const proof = await signIn()
    assert.equal(proof.connectionId, connectionId)
    assert.equal(proof.issuer, idpEntityId)
    assert.equal(proof.subject, 'alice')
    assert.equal(proof.providerSession, 's-1')
    assert.equal(proof.claims.name, 'Alice Adams')
    assert.equal(proof.claims.email, 'alice@acme.example')
    assert.deepEqual(proof.claims.groups, ['staff', 'admins'])
  })
  for (const how of ['assertion', 'response', 'both'] as const)
    it(`takes a signed ${how}`, async () => {
      const provider = openSaml()
      const { remember, requestId } = await begun(provider)
      const it = said(requestId)
      const assertion = how === 'response' ? assertionOf(it) : sign(assertionOf(it), it.assertionId)
      const whole = responseAround(it, assertion)
      const xml =
        how === 'assertion'
          ? whole
          : sign(whole, it.responseId, { at: { reference: '/*/*[1]', action: 'after' } })
      assert.equal((await comeBack(provider, remember, xml)).subject, 'alice')
    })
})
