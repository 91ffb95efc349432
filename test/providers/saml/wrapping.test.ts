import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  assertionOf,
  because,
  begun,
  comeBack,
  nameId,
  openSaml,
  protocol,
  responseAround,
  said,
  sendForged,
  sign,
  type Said,
} from './_provider.ts'

/** The same message about somebody else, under another name: what an attacker wants believed. */
function evil(it: Said, changed: Partial<Said> = {}): Said {
  return { ...it, assertionId: '_evil', responseId: '_evilr', nameId: nameId('victim'), ...changed }
}

const signature = /<ds:Signature[^]*?<\/ds:Signature>/

/** An honest assertion without its signature, and that. */
function apart(assertion: string): { bare: string; seal: string } {
  const [seal] = signature.exec(assertion)!
  return { bare: assertion.replace(signature, ''), seal }
}

/** What stands in an element of the attacker's, put right before its end. */
function into(element: string, name: string, inside: string): string {
  const end = element.lastIndexOf(`</${name}>`)
  return element.slice(0, end) + inside + element.slice(end)
}

const afterIssuer = (xml: string, inside: string): string =>
  xml.replace('</saml:Issuer>', `</saml:Issuer>${inside}`)

/** An honest response that is signed as a whole. */
function signedWhole(it: Said): { whole: string; bare: string; seal: string } {
  const at = { reference: '/*/*[1]', action: 'after' } as const
  const whole = sign(responseAround(it, assertionOf(it)), it.responseId, { at })
  return { whole, ...apart(whole) }
}

/** The eight shapes of signature wrapping that are known by number, and what else has been tried in the field. */
const shapes: readonly [
  name: string,
  forge: (honest: { it: Said; assertion: string }) => string,
][] = [
  [
    'XSW1: the signed response inside the signature of another',
    ({ it }) => {
      const { bare, seal } = signedWhole(it)
      return afterIssuer(
        responseAround(evil(it), assertionOf(evil(it))),
        into(seal, 'ds:Signature', bare),
      )
    },
  ],
  [
    'XSW2: the signed response beside its signature in another',
    ({ it }) => {
      const { bare, seal } = signedWhole(it)
      return afterIssuer(responseAround(evil(it), assertionOf(evil(it))), bare + seal)
    },
  ],
  [
    'XSW3: a forged assertion before the signed one',
    ({ it, assertion }) => responseAround(it, assertionOf(evil(it)) + assertion),
  ],
  [
    'XSW3 the other way round: a forged assertion after the signed one',
    ({ it, assertion }) => responseAround(it, assertion + assertionOf(evil(it))),
  ],
  [
    'XSW4: the signed assertion inside a forged one',
    ({ it, assertion }) =>
      responseAround(it, into(assertionOf(evil(it)), 'saml:Assertion', assertion)),
  ],
  [
    'XSW5: the signature in a forged assertion, the signed one after it',
    ({ it, assertion }) => {
      const { bare, seal } = apart(assertion)
      return responseAround(it, afterIssuer(assertionOf(evil(it)), seal) + bare)
    },
  ],
  [
    'XSW6: the signed assertion inside the signature of a forged one',
    ({ it, assertion }) => {
      const { bare, seal } = apart(assertion)
      return responseAround(
        it,
        afterIssuer(assertionOf(evil(it)), into(seal, 'ds:Signature', bare)),
      )
    },
  ],
  [
    'XSW7: a forged assertion in extensions, with the name of the signed one',
    ({ it, assertion }) =>
      responseAround(
        {
          ...it,
          beforeStatus: `<samlp:Extensions>${assertionOf(evil(it, { assertionId: it.assertionId }))}</samlp:Extensions>`,
        },
        assertion,
      ),
  ],
  [
    'XSW8: the signed assertion in an object of the signature of a forged one',
    ({ it, assertion }) => {
      const { bare, seal } = apart(assertion)
      const object = `<ds:Object xmlns:ds="http://www.w3.org/2000/09/xmldsig#">${bare}</ds:Object>`
      return responseAround(
        it,
        afterIssuer(assertionOf(evil(it)), into(seal, 'ds:Signature', object)),
      )
    },
  ],
  [
    'a forged assertion with the signature of the signed one, which is nowhere',
    ({ it, assertion }) =>
      responseAround(it, afterIssuer(assertionOf(evil(it)), apart(assertion).seal)),
  ],
  [
    'a forged assertion with the name and the signature of the signed one',
    ({ it, assertion }) =>
      responseAround(
        it,
        afterIssuer(assertionOf(evil(it, { assertionId: it.assertionId })), apart(assertion).seal),
      ),
  ],
  [
    'the signed assertion as advice of a forged one',
    ({ it, assertion }) =>
      responseAround(
        it,
        into(assertionOf(evil(it)), 'saml:Assertion', `<saml:Advice>${assertion}</saml:Advice>`),
      ),
  ],
  [
    'the signed assertion beside an encrypted one',
    ({ it, assertion }) =>
      responseAround(
        it,
        `${assertion}<saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"><xenc:EncryptionMethod Algorithm="x"/><xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>`,
      ),
  ],
  [
    'a response around the signed one',
    ({ it }) => responseAround(evil(it), assertionOf(evil(it)) + signedWhole(it).whole),
  ],
  [
    'a forged assertion in the place of the one in a signed response',
    ({ it }) => {
      const { whole } = signedWhole(it)
      return whole.replace(/<saml:Assertion[^]*<\/saml:Assertion>/, assertionOf(evil(it)))
    },
  ],
  ['no signature at all', ({ it }) => responseAround(it, assertionOf(it))],
  [
    'the signature of a response that covers something else',
    ({ it, assertion }) =>
      responseAround(
        { ...evil(it), beforeStatus: apart(assertion).seal },
        assertionOf({ ...evil(it), assertionId: it.assertionId }),
      ),
  ],
  ...['<!-- x -->', '<![CDATA[x]]>', '<?x y?>'].flatMap(
    (markup): [string, (honest: { it: Said; assertion: string }) => string][] => [
      [
        `${markup} around the signed assertion`,
        ({ it, assertion }) => responseAround(it, markup + assertion),
      ],
      [
        `${markup} in it`,
        ({ it, assertion }) =>
          responseAround(it, assertion.replace('<saml:Subject>', `${markup}<saml:Subject>`)),
      ],
    ],
  ),
  [
    'the forged assertion in a comment that ends early',
    ({ it, assertion }) => responseAround(it, `<!-- ${assertion} -->${assertionOf(evil(it))}`),
  ],
]

describe('signature wrapping', () => {
  for (const [name, forge] of shapes)
    it(`SML-02, SML-10 is refused: ${name}`, async () => {
      await assert.rejects(
        sendForged(forge),
        because(/^saml_(xml|structure|assertion|unsigned|reference|signature)/),
      )
    })
  it('SML-02 is refused with no signature, and taken with an honest one', async () => {
    await assert.rejects(
      sendForged(({ it }) => responseAround(it, assertionOf(it))),
      because('saml_unsigned'),
    )
    const proof = await sendForged(({ it, assertion }) => responseAround(it, assertion))
    assert.equal(proof.subject, 'alice')
  })
  it('SML-02 however two messages are shuffled, nobody is believed but whom a signature names', async () => {
    const random = seeded(20261123)
    const provider = openSaml()
    let taken = 0
    for (let i = 0; i < 250; i++) {
      const { remember, requestId } = await begun(provider)
      const it = said(requestId)
      const honest = sign(assertionOf(it), it.assertionId)
      const forged = assertionOf(evil(it, random() < 0.5 ? { assertionId: it.assertionId } : {}))
      const xml = shuffle(responseAround(it, honest), forged, random)
      const subject = await comeBack(provider, remember, xml).then(
        (proof) => proof.subject,
        ({ code }: { code: string }) => code,
      )
      if (subject === 'alice') taken++
      assert.ok(['alice', 'sso_failed', 'sso_denied', 'flow_invalid'].includes(subject), xml)
    }
    assert.ok(taken > 0, 'some shuffles change nothing')
  })
})

const element = /<([\w:]+)(?:\s[^<>]*)?>[^]*?<\/\1>/g

/** Takes elements out of both messages and puts them elsewhere in the first. */
function shuffle(honest: string, forged: string, random: () => number): string {
  let xml = honest
  const changes = Math.floor(random() * 3)
  for (let i = 0; i < changes; i++) {
    const pieces = [...(forged + xml).matchAll(element)].map(([piece]) => piece)
    const inner = pieces.flatMap((piece) => [
      piece,
      ...[...piece.slice(1).matchAll(element)].map(([one]) => one),
    ])
    const piece = random() < 0.5 ? forged : inner[Math.floor(random() * inner.length)]!
    if (random() < 0.4) xml = xml.replace(piece, '')
    const gaps = [...xml.matchAll(/></g)].map(({ index }) => index + 1)
    const gap = gaps[Math.floor(random() * gaps.length)] ?? 0
    xml = xml.slice(0, gap) + piece + xml.slice(gap)
  }
  return xml
}

/** Random numbers that are the same at every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Marks on a signature that make it mean something else than it says. */
const bent: readonly [id: string, name: string, bend: (xml: string, it: Said) => string][] = [
  [
    'SML-04',
    'two SignedInfo',
    (xml) => xml.replace(/<ds:SignedInfo>[^]*<\/ds:SignedInfo>/, (info) => info + info),
  ],
  [
    'SML-04',
    'two references',
    (xml) => xml.replace(/<ds:Reference [^]*<\/ds:Reference>/, (one) => one + one),
  ],
  [
    'SML-04',
    'a comment in the digest',
    (xml) => xml.replace('<ds:DigestValue>', '<ds:DigestValue><!-- x -->'),
  ],
  [
    'SML-04',
    'a comment in the signature’s value',
    (xml) => xml.replace('<ds:SignatureValue>', '<ds:SignatureValue><!-- x -->'),
  ],
  [
    'SML-04',
    'two digests',
    (xml) => xml.replace(/<ds:DigestValue>[^]*?<\/ds:DigestValue>/, (one) => one + one),
  ],
  [
    'SML-04',
    'a reference to something else',
    (xml, it) => xml.replace(`URI="#${it.assertionId}"`, `URI="#${it.responseId}"`),
  ],
  [
    'SML-04',
    'a reference to everything',
    (xml, it) => xml.replace(`URI="#${it.assertionId}"`, 'URI=""'),
  ],
  [
    'SML-04',
    'a reference without a name',
    (xml, it) => xml.replace(` URI="#${it.assertionId}"`, ''),
  ],
  [
    'SML-04',
    'a reference by XPointer',
    (xml, it) =>
      xml.replace(`URI="#${it.assertionId}"`, `URI="#xpointer(id('${it.assertionId}'))"`),
  ],
  [
    'SML-04',
    'the same name twice',
    (xml, it) => xml.replace(`ID="${it.responseId}"`, `ID="${it.assertionId}"`),
  ],
  ...['Id', 'id', 'xml:id'].map(
    (attribute) =>
      [
        'SML-04',
        `the same name as ${attribute}`,
        (xml: string, it: Said) =>
          xml.replace('<saml:Subject>', `<saml:Subject ${attribute}="${it.assertionId}">`),
      ] as [string, string, (xml: string, it: Said) => string],
  ),
  [
    'SML-04',
    'the same name as the signature’s own',
    (xml, it) => xml.replace('<ds:Signature ', `<ds:Signature Id="${it.assertionId}" `),
  ],
  [
    'SML-05',
    'a relative namespace',
    (xml) => xml.replace('<samlp:Response ', '<samlp:Response xmlns:n="./relative" '),
  ],
  [
    'SML-05',
    'a relative namespace in the signed part',
    (xml) => xml.replace('<saml:Subject>', '<saml:Subject xmlns:n="1">'),
  ],
  [
    'SML-05',
    'canonical form with comments',
    (xml) => xml.replaceAll('xml-exc-c14n#"', 'xml-exc-c14n#WithComments"'),
  ],
  [
    'SML-05',
    'a third transform',
    (xml) =>
      xml.replace(
        '</ds:Transforms>',
        '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>',
      ),
  ],
  [
    'SML-05',
    'the transforms the other way round',
    (xml) =>
      xml.replace(
        /(<ds:Transform [^>]*>(?:<\/ds:Transform>)?)(<ds:Transform [^>]*>(?:<\/ds:Transform>)?)(?=<\/ds:Transforms>)/,
        '$2$1',
      ),
  ],
  ...[
    'http://www.w3.org/TR/1999/REC-xslt-19991116',
    'http://www.w3.org/TR/1999/REC-xpath-19991116',
    'http://www.w3.org/2002/06/xmldsig-filter2',
    'urn:custom',
  ].map(
    (transform) =>
      [
        'SML-05',
        `the transform ${transform}`,
        (xml: string) =>
          xml.replace('http://www.w3.org/2000/09/xmldsig#enveloped-signature', transform),
      ] as [string, string, (xml: string) => string],
  ),
  ['SML-05', 'a copy of the signature', (xml) => xml.replace(signature, (seal) => seal + seal)],
  [
    'SML-05',
    'a copy of the signature elsewhere',
    (xml) => xml.replace('</saml:Assertion>', `${signature.exec(xml)![0]}</saml:Assertion>`),
  ],
  [
    'SML-06',
    'a length of HMAC',
    (xml) =>
      xml.replace(
        /<ds:SignatureMethod ([^>]*?)\/?>(<\/ds:SignatureMethod>)?/,
        '<ds:SignatureMethod $1><ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>',
      ),
  ],
  ...[
    'http://www.w3.org/2000/09/xmldsig#dsa-sha1',
    'http://www.w3.org/2001/04/xmldsig-more#rsa-md5',
    'http://www.w3.org/2000/09/xmldsig#hmac-sha1',
    'http://www.w3.org/2001/04/xmldsig-more#hmac-sha256',
    'http://www.w3.org/2000/09/xmldsig#rsa-sha1',
    'none',
    '',
  ].map(
    (algorithm) =>
      [
        'SML-06',
        `the signature method “${algorithm}”`,
        (xml: string) =>
          xml.replace('http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', algorithm),
      ] as [string, string, (xml: string) => string],
  ),
  ...[
    'http://www.w3.org/2000/09/xmldsig#sha1',
    'http://www.w3.org/2001/04/xmldsig-more#md5',
    'none',
  ].map(
    (algorithm) =>
      [
        'SML-06',
        `the digest “${algorithm}”`,
        (xml: string) => xml.replace('http://www.w3.org/2001/04/xmlenc#sha256', algorithm),
      ] as [string, string, (xml: string) => string],
  ),
  ['SML-05', 'nothing signed', (xml) => xml.replace(/<ds:DigestValue>[^<]*</, '<ds:DigestValue><')],
]

describe('a bent signature', () => {
  for (const [id, name, bend] of bent)
    it(`${id} is refused: ${name}`, async () => {
      const forged = sendForged(({ it, assertion }) => {
        const honest = responseAround(it, assertion)
        const xml = bend(honest, it)
        assert.notEqual(xml, honest, 'the test bends something')
        return xml
      })
      await assert.rejects(
        forged,
        because(/^saml_(xml|structure|reference|algorithm|signature|assertion)/),
      )
    })
  it('SML-05 a namespace of the response that nothing uses changes nothing', async () => {
    const proof = await sendForged(({ it, assertion }) =>
      responseAround(it, assertion).replace(
        protocol,
        `${protocol} xmlns:xs="http://www.w3.org/2001/XMLSchema"`,
      ),
    )
    assert.equal(proof.subject, 'alice')
  })
})
