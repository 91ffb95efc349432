import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idOfApiToken, newApiToken } from '../../src/lib/api-token.ts'
import { newId } from '../../src/lib/ids.ts'

test('TOK-03 a token says what it is for, and is known for one by its checksum without asking anybody', () => {
  const id = newId()
  const token = newApiToken('scim', id)
  assert.match(token, /^sp_scim_[0-9a-f]{32}_[\w-]{43}_[0-9a-f]{8}$/)
  assert.equal(idOfApiToken('scim', token), id)
  assert.notEqual(newApiToken('scim', id), token)
  const [a, b] = [token.at(-12)!, token.at(-12) === 'x' ? 'y' : 'x']
  const wrong = [
    '',
    ' ',
    token.slice(0, -1),
    `${token}0`,
    ` ${token}`,
    token.toUpperCase(),
    token.replace('sp_scim_', 'sp_pat_'),
    `${token.slice(0, -12)}${b}${token.slice(-11)}`,
    `${token.slice(0, -8)}00000000`,
  ]
  assert.notEqual(a, b)
  for (const text of wrong) assert.equal(idOfApiToken('scim', text), undefined, text)
})
