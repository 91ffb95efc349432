import assert from 'node:assert/strict'
import { test } from 'node:test'
import { domainOfAddress, normalDomain, readClaim } from '../../src/lib/domain-name.ts'

test('ORG-08 a domain has one spelling, whatever its letters, their size and a dot at its end', () => {
  const spellings = {
    'Acme.Example': 'acme.example',
    'acme.example.': 'acme.example',
    ' acme.example ': 'acme.example',
    'acme。example': 'acme.example',
    'BÜCHER.example': 'xn--bcher-kva.example',
    'xn--bcher-kva.example': 'xn--bcher-kva.example',
    'mail.acme.example': 'mail.acme.example',
  }
  for (const [written, domain] of Object.entries(spellings))
    assert.equal(normalDomain(written), domain, written)
})

test('ORG-08 what is no domain is none', () => {
  const none = [
    '',
    '.',
    'acme',
    'localhost',
    'acme..example',
    'acme.example..',
    '*.acme.example',
    '-a.example',
    '_x.acme.example',
    'a@acme.example',
    'https://acme.example',
    'acme.example/',
    'acme.example:53',
    'acme.example?x',
    'acme.example#',
    'acme .example',
    'acme\n.example',
    '%61cme.example',
    'a\\b.example',
    '192.0.2.7',
    '0x7f.1',
    '127.1',
    '１９２.0.2.7',
    '[::1]',
    '::1',
    'xn--a.example\u0000',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(126)}example`,
  ]
  for (const written of none) assert.equal(normalDomain(written), undefined, written)
})

test('ORG-08 nobody claims what anybody may have a name or an address below', async () => {
  const refused = {
    'co.uk': 'public_suffix',
    'CO.UK.': 'public_suffix',
    'github.io': 'public_suffix',
    'anything.ck': 'public_suffix',
    'gmail.com': 'free_mail',
    'GMail.com.': 'free_mail',
    com: 'no_domain',
  }
  for (const [written, fault] of Object.entries(refused))
    assert.deepEqual(await readClaim(written), { fault }, written)
  for (const domain of ['acme.co.uk', 'somebody.github.io', 'www.ck', 'mail.acme.example'])
    assert.deepEqual(await readClaim(domain), { domain })
})

test('the domain of an address is what follows its last @', () => {
  assert.equal(domainOfAddress('alice@Acme.Example'), 'acme.example')
  assert.equal(domainOfAddress('"a@evil.example"@acme.example'), 'acme.example')
  for (const none of ['@acme.example', 'acme.example', 'alice@', 'alice@acme'])
    assert.equal(domainOfAddress(none), undefined, none)
})
