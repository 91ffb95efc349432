import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  acs,
  assertionOf,
  at,
  attribute,
  because,
  begun,
  comeBack,
  clock,
  conditions,
  confirmation,
  encoded,
  entityId,
  idpEntityId,
  nameId,
  openSaml,
  redirectUri,
  responseAround,
  said,
  sendForged,
  settings,
  sign,
  signedResponse,
  signIn,
  statement,
  type Said,
} from './_provider.ts'

/** One case: what the provider says otherwise, and why it is refused. */
type Case = readonly [
  id: string,
  name: string,
  changed: Partial<Said> | ((requestId: string) => Partial<Said>),
  reason: RegExp | string,
]

const answers = (requestId: string): string => ` InResponseTo="${requestId}"`
const status = (...codes: readonly string[]): string =>
  `<samlp:Status>${codes.map((code) => `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:${code}">`).join('')}${'</samlp:StatusCode>'.repeat(codes.length)}<samlp:StatusMessage>&lt;b&gt;No&lt;/b&gt;</samlp:StatusMessage></samlp:Status>`

const cases: readonly Case[] = [
  [
    'SML-12',
    'a response by somebody else',
    { issuer: 'https://other.example' },
    'saml_issuer_mismatch',
  ],
  ['SML-12', 'a response by nobody', { issuer: null }, 'saml_issuer_mismatch'],
  [
    'SML-12',
    'an assertion by somebody else',
    { assertionIssuer: 'https://other.example' },
    'saml_issuer_mismatch',
  ],
  ['SML-12', 'an assertion by nobody', { assertionIssuer: '' }, 'saml_issuer_mismatch'],
  [
    'SML-12',
    'an issuer with a space',
    { assertionIssuer: ` ${idpEntityId}` },
    'saml_issuer_mismatch',
  ],
  [
    'SML-12',
    'an issuer in capitals',
    { issuer: idpEntityId.toUpperCase() },
    'saml_issuer_mismatch',
  ],
  ['SML-12', 'an issuer with a slash more', { issuer: `${idpEntityId}/` }, 'saml_issuer_mismatch'],

  ['SML-14', 'no audience', { conditions: conditions([]) }, 'saml_audience'],
  ['SML-14', 'no conditions', { conditions: '' }, 'saml_audience'],
  [
    'SML-14',
    'another audience',
    { conditions: conditions(['https://other.example']) },
    'saml_audience',
  ],
  [
    'SML-14',
    'two restrictions, one of them not ours',
    { conditions: conditions([entityId, 'https://other.example']) },
    'saml_audience',
  ],
  [
    'SML-14',
    'an audience that ours begins with',
    { conditions: conditions([entityId.slice(0, -1)]) },
    'saml_audience',
  ],
  [
    'SML-14',
    'an audience that begins with ours',
    { conditions: conditions([`${entityId}/x`]) },
    'saml_audience',
  ],
  [
    'SML-14',
    'an audience in capitals',
    { conditions: conditions([entityId.toUpperCase()]) },
    'saml_audience',
  ],
  [
    'SML-14',
    'the audience of another connection',
    { conditions: conditions([entityId.replace('0001', '0002')]) },
    'saml_audience',
  ],

  ['SML-15', 'no destination', { destination: null }, 'saml_destination'],
  ['SML-15', 'another host', { destination: acs.replace('app', 'evil') }, 'saml_destination'],
  [
    'SML-15',
    'another connection',
    { destination: acs.replace('0001', '0002') },
    'saml_destination',
  ],
  ['SML-15', 'http', { destination: acs.replace('https', 'http') }, 'saml_destination'],
  ['SML-15', 'a slash more', { destination: `${acs}/` }, 'saml_destination'],

  ['SML-16', 'no confirmation', { confirmation: '' }, 'saml_subject_confirmation'],
  [
    'SML-16',
    'a confirmation without data',
    { confirmation: '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"/>' },
    'saml_subject_confirmation',
  ],
  ...['holder-of-key', 'sender-vouches'].map((method): Case => [
    'SML-16',
    method,
    (id) => ({
      confirmation: confirmation(
        `${answers(id)} Recipient="${acs}" NotOnOrAfter="${at(300)}"`,
        `urn:oasis:names:tc:SAML:2.0:cm:${method}`,
      ),
    }),
    'saml_subject_confirmation',
  ]),
  [
    'SML-16',
    'no recipient',
    (id) => ({ confirmation: confirmation(`${answers(id)} NotOnOrAfter="${at(300)}"`) }),
    'saml_recipient',
  ],
  [
    'SML-16',
    'another recipient',
    (id) => ({
      confirmation: confirmation(`${answers(id)} Recipient="${acs}2" NotOnOrAfter="${at(300)}"`),
    }),
    'saml_recipient',
  ],
  [
    'SML-16',
    'no end',
    (id) => ({ confirmation: confirmation(`${answers(id)} Recipient="${acs}"`) }),
    /^saml_subject_confirmation/,
  ],
  [
    'SML-16',
    'an end that is past',
    (id) => ({
      confirmation: confirmation(`${answers(id)} Recipient="${acs}" NotOnOrAfter="${at(-60)}"`),
    }),
    'saml_not_on_or_after',
  ],
  [
    'SML-16',
    'an end in ten years',
    (id) => ({
      confirmation: confirmation(
        `${answers(id)} Recipient="${acs}" NotOnOrAfter="${at(315_360_000)}"`,
      ),
    }),
    'saml_not_on_or_after: too far',
  ],
  [
    'SML-16',
    'an end that is no instant',
    (id) => ({
      confirmation: confirmation(`${answers(id)} Recipient="${acs}" NotOnOrAfter="tomorrow"`),
    }),
    /^saml_subject_confirmation/,
  ],
  [
    'SML-16',
    'an end in local time',
    (id) => ({
      confirmation: confirmation(
        `${answers(id)} Recipient="${acs}" NotOnOrAfter="${at(300).replace('Z', '+00:00')}"`,
      ),
    }),
    /^saml_subject_confirmation/,
  ],
  [
    'SML-16',
    'a beginning',
    (id) => ({
      confirmation: confirmation(
        `${answers(id)} Recipient="${acs}" NotBefore="${at(-5)}" NotOnOrAfter="${at(300)}"`,
      ),
    }),
    'saml_subject_confirmation: NotBefore',
  ],

  ['SML-17', 'a response to nothing', { inResponseTo: null }, 'saml_in_response_to'],
  ['SML-17', 'a response to something else', { inResponseTo: '_other' }, 'saml_in_response_to'],
  [
    'SML-17',
    'an assertion for nothing',
    { confirmation: confirmation(` Recipient="${acs}" NotOnOrAfter="${at(300)}"`) },
    'saml_in_response_to',
  ],
  [
    'SML-17',
    'an assertion for something else',
    {
      confirmation: confirmation(
        ` InResponseTo="_other" Recipient="${acs}" NotOnOrAfter="${at(300)}"`,
      ),
    },
    'saml_in_response_to',
  ],

  ['SML-20', 'a failure', { status: status('Responder') }, 'saml_status: Responder: <b>No</b>'],
  [
    'SML-20',
    'a success inside a failure',
    { status: status('Requester', 'Success') },
    /^saml_status/,
  ],
  [
    'SML-20',
    'a failure inside a success',
    { status: status('Success', 'VersionMismatch') },
    /^saml_status/,
  ],
  ['SML-20', 'no status', { status: '' }, /^saml_structure/],

  ['SML-23', 'no name', { nameId: '' }, 'saml_name_id'],
  ['SML-23', 'an empty name', { nameId: nameId('') }, 'saml_name_id'],
  ['SML-23', 'a name of spaces', { nameId: nameId('  ') }, 'saml_name_id'],
  ['SML-23', 'a name that is too long', { nameId: nameId('a'.repeat(257)) }, 'saml_name_id'],
  ['SML-23', 'two names', { nameId: nameId('alice') + nameId('bob') }, /^saml_structure/],
  [
    'SML-23',
    'a name for one visit',
    { nameId: nameId('alice').replace('persistent', 'transient') },
    /^saml_name_id_format/,
  ],
  [
    'SML-23',
    'a name of no particular kind',
    { nameId: '<saml:NameID>alice@acme.example</saml:NameID>' },
    /^saml_name_id_format/,
  ],
  [
    'SML-23',
    'an address as a name',
    {
      nameId: nameId('alice@acme.example').replace(
        '2.0:nameid-format:persistent',
        '1.1:nameid-format:emailAddress',
      ),
    },
    /^saml_name_id_format/,
  ],
  [
    'SML-23',
    'a name among other people',
    { nameId: nameId('alice', ' NameQualifier="https://other.example"') },
    'saml_name_qualifier',
  ],
  [
    'SML-23',
    'a name for somebody else',
    { nameId: nameId('alice', ' SPNameQualifier="https://other.example"') },
    'saml_name_qualifier',
  ],
  ['SML-23', 'an encrypted name', { nameId: '<saml:EncryptedID/>' }, /^saml_structure/],

  [
    'SML-08',
    'a name with a comment',
    { nameId: nameId('admin@a.com<!---->.evil.com') },
    /^saml_xml/,
  ],
  [
    'SML-08',
    'a name with an element',
    { nameId: nameId('admin<saml:Issuer>x</saml:Issuer>') },
    /^saml_structure/,
  ],
  ['SML-08', 'a name with a space before', { nameId: nameId(' alice') }, 'saml_name_id'],
  ['SML-08', 'a name with a line break after', { nameId: nameId('alice\n') }, 'saml_name_id'],
  ['SML-08', 'a name with a NUL', { nameId: nameId('alice&#0;') }, /^saml_(xml|name_id|signature)/],
  [
    'SML-08',
    'a name with a mark that does not show',
    { nameId: nameId('ali\u200bce') },
    'saml_name_id',
  ],
  [
    'SML-08',
    'a value with an element',
    { attributes: attribute('email', '<saml:Issuer>x</saml:Issuer>') },
    /^saml_structure/,
  ],

  [
    'SML-24',
    'an address twice',
    { attributes: attribute('email', 'a@acme.example', 'b@acme.example') },
    'saml_attribute_repeated: email',
  ],
  [
    'SML-24',
    'an address in two pieces',
    { attributes: attribute('email', 'a@acme.example') + attribute('email', 'b@acme.example') },
    'saml_attribute_repeated: email',
  ],
  [
    'SML-24',
    'ten thousand groups',
    { attributes: attribute('groups', ...Array.from({ length: 10_000 }, (_, i) => `${i}`)) },
    /^saml_xml: too/,
  ],
  [
    'SML-24',
    'an attribute without a name',
    { attributes: attribute('', 'x') },
    'saml_attribute_name',
  ],

  [
    'SML-16',
    'conditions that begin later',
    { conditions: conditions([entityId], ` NotBefore="${at(61)}" NotOnOrAfter="${at(300)}"`) },
    'saml_not_before',
  ],
  [
    'SML-16',
    'conditions that are over',
    { conditions: conditions([entityId], ` NotOnOrAfter="${at(-60)}"`) },
    'saml_not_on_or_after',
  ],
  [
    'SML-16',
    'conditions nobody can read',
    { conditions: conditions([entityId], ' NotBefore="yesterday"') },
    /^saml_conditions/,
  ],
  [
    'SML-16',
    'an assertion of tomorrow',
    { issuedAt: new Date(clock.now().getTime() + 61_000) },
    'saml_issue_instant',
  ],
  [
    'SML-16',
    'an assertion that is long made',
    { issuedAt: new Date(clock.now().getTime() - 660_000) },
    'saml_not_on_or_after: issued too long ago',
  ],
  [
    'SML-16',
    'a sign-in of tomorrow',
    { statement: statement(` AuthnInstant="${at(61)}"`) },
    'saml_authn_instant',
  ],
  ['SML-16', 'a sign-in nobody can read', { statement: statement('') }, /^saml_authn_instant/],
  ['SML-16', 'no word of how the person signed in', { statement: '' }, 'saml_authn_statement'],
  ['SML-16', 'two words of that', { statement: statement() + statement() }, 'saml_authn_statement'],
  ['SML-12', 'another version', { version: '1.1' }, 'saml_version'],
]

describe('a signed response is refused that holds', () => {
  for (const [id, name, changed, reason] of cases)
    it(`${id} ${name}`, async () => {
      await assert.rejects(signIn(changed), because(reason))
    })
  for (const code of ['AuthnFailed', 'RequestDenied', 'NoPassive'])
    it(`SML-20 a refusal of the provider’s: ${code}`, async () => {
      const refused = signIn({ status: status('Responder', code) })
      await assert.rejects(refused, because(/^saml_status/, 'sso_denied'))
    })
  it('SML-20 a success, and no assertion', async () => {
    await assert.rejects(
      sendForged(({ it }) => responseAround(it, '')),
      because('saml_assertion_missing'),
    )
  })
  it('SML-17 what it answers only outside of what is signed', async () => {
    const provider = openSaml()
    const { remember, requestId } = await begun(provider)
    const confirmed = confirmation(` Recipient="${acs}" NotOnOrAfter="${at(300)}"`)
    const xml = signedResponse(said(requestId, { confirmation: confirmed }))
    assert.match(xml, new RegExp(`<samlp:Response [^>]*InResponseTo="${requestId}"`))
    await assert.rejects(comeBack(provider, remember, xml), because('saml_in_response_to'))
  })
  it('SML-16 an address that is not the browser’s', async () => {
    for (const [said_, known, fits] of [
      ['198.51.100.7', '198.51.100.7', true],
      ['198.51.100.7', '198.51.100.8', false],
      ['2001:db8::1', '198.51.100.8', true],
      ['198.51.100.7', undefined, true],
    ] as const) {
      const provider = openSaml()
      const { remember, requestId } = await begun(provider)
      const confirmed = confirmation(
        `${answers(requestId)} Recipient="${acs}" NotOnOrAfter="${at(300)}" Address="${said_}"`,
      )
      const xml = signedResponse(said(requestId, { confirmation: confirmed }))
      const coming = comeBack(provider, remember, xml, known)
      if (fits) assert.equal((await coming).subject, 'alice')
      else await assert.rejects(coming, because('saml_address'))
    }
  })
})

describe('a signed response is taken that holds', () => {
  const taken: readonly [string, Partial<Said> | ((id: string) => Partial<Said>)][] = [
    [
      'SML-14 ours among other audiences',
      {
        conditions: conditions([`https://other.example</saml:Audience><saml:Audience>${entityId}`]),
      },
    ],
    [
      'SML-16 a confirmation that is not for us, and one that is',
      (id) => ({
        confirmation:
          confirmation('', 'urn:oasis:names:tc:SAML:2.0:cm:sender-vouches') + said(id).confirmation,
      }),
    ],
    [
      'an end in an hour',
      (id) => ({
        confirmation: confirmation(`${answers(id)} Recipient="${acs}" NotOnOrAfter="${at(3600)}"`),
      }),
    ],
    [
      'times within the skew',
      { conditions: conditions([entityId], ` NotBefore="${at(60)}" NotOnOrAfter="${at(-59)}"`) },
    ],
    [
      'SML-23 the qualifiers of just these two',
      { nameId: nameId('alice', ` NameQualifier="${idpEntityId}" SPNameQualifier="${entityId}"`) },
    ],
    [
      'attributes that nobody knows',
      {
        attributes: `<saml:Attribute Name="x" xmlns:a="http://a.example" a:OriginalIssuer="y"><saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:type="xs:string">1</saml:AttributeValue></saml:Attribute>`,
      },
    ],
    ['no attributes', { attributes: '' }],
  ]
  for (const [name, changed] of taken)
    it(name, async () => {
      assert.equal((await signIn(changed)).subject, 'alice')
    })
  it('SML-08 names that look alike and are not, each as its own', async () => {
    const names = ['caf\u00e9', 'cafe\u0301', 'Alice', 'alice', '\ufb01n', 'fin', 'a&amp;b']
    const subjects = await Promise.all(
      names.map(async (name) => (await signIn({ nameId: nameId(name) })).subject),
    )
    assert.equal(new Set(subjects).size, names.length)
    assert.equal(subjects.at(-1), 'a&b')
  })
  it('SML-24 names of attributes that a program would stumble over', async () => {
    const attributes = [
      attribute('__proto__', 'owner'),
      attribute('constructor', 'owner'),
      attribute('roles', 'owner'),
      attribute('groups', ...Array.from({ length: 500 }, (_, i) => `g${i}`)),
    ].join('')
    const { claims } = await signIn({ attributes })
    assert.equal(claims.groups?.length, 100)
    assert.deepEqual(Object.keys(claims).sort(), ['groups', 'raw'])
    assert.equal(Object.getPrototypeOf(claims.raw), Object.prototype)
    assert.ok(!Object.hasOwn(claims.raw ?? {}, '__proto__'))
  })
  it('SML-23 a NameID that an administrator has said to be stable', async () => {
    const subject = { from: 'nameid', formats: ['emailAddress', 'unspecified'] }
    const provider = openSaml(settings({ subject, claims: {} }))
    const address = nameId('alice@acme.example').replace(
      '2.0:nameid-format:persistent',
      '1.1:nameid-format:emailAddress',
    )
    const proof = await signIn({ nameId: address }, provider)
    assert.equal(proof.subject, 'alice@acme.example')
    assert.equal(proof.claims.email, 'alice@acme.example')
    assert.equal(proof.claims.emailVerified, undefined)
    const plain = await signIn({ nameId: '<saml:NameID>alice</saml:NameID>' }, provider)
    assert.equal(plain.subject, 'alice')
    await assert.rejects(signIn({}, provider), because(/^saml_name_id_format/))
  })
})

/** Whole messages that are refused before anybody looks for a signature. */
const texts: Readonly<Record<string, (xml: string) => string | Buffer>> = {
  'SML-09 a document type': (xml) => `<!DOCTYPE samlp:Response>${xml}`,
  'SML-09 an external document type': (xml) =>
    `<!DOCTYPE x SYSTEM "https://evil.example/x.dtd">${xml}`,
  'SML-09 an entity of a file': (xml) =>
    `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${xml.replace('alice', '&e;')}`,
  'SML-09 an entity by FTP': (xml) =>
    `<!DOCTYPE x [<!ENTITY e SYSTEM "ftp://evil.example/x">]>${xml}`,
  'SML-09 a parameter entity': (xml) =>
    `<!DOCTYPE x [<!ENTITY % p SYSTEM "https://evil.example/p">%p;]>${xml}`,
  'SML-09 a billion laughs': (xml) =>
    `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>${xml.replace('alice', '&b;')}`,
  'SML-09 an entity nobody has declared': (xml) => xml.replace('alice', '&e;'),
  'SML-09 XInclude': (xml) =>
    xml.replace(
      '</samlp:Response>',
      '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/></samlp:Response>',
    ),
  'SML-09 a style sheet': (xml) => `<?xml-stylesheet href="https://evil.example/x.xsl"?>${xml}`,
  'SML-09 UTF-16': (xml) => Buffer.from(`\ufeff${xml}`, 'utf16le'),
  'SML-09 UTF-16 that says so': (xml) => `<?xml version="1.0" encoding="UTF-16"?>${xml}`,
  'SML-09 UTF-7 that says so': (xml) => `<?xml version="1.0" encoding="UTF-7"?>${xml}`,
  'SML-09 Latin-1 that says it is UTF-8': (xml) =>
    Buffer.from(xml.replace('alice', 'alic\u00e9'), 'latin1'),
  'SML-09 a byte order mark': (xml) => `\ufeff${xml}`,
  'SML-09 XML 1.1': (xml) => `<?xml version="1.1"?>${xml}`,
  'SML-09 a declaration in the middle': (xml) =>
    xml.replace('<saml:Subject>', '<?xml version="1.0"?><saml:Subject>'),
  'SML-11 a hundred thousand elements in one another': () =>
    '<a>'.repeat(20_000) + '</a>'.repeat(20_000),
  'SML-11 elements in one another without an end': () => '<a>'.repeat(60_000),
  'SML-11 too many elements': (xml) =>
    xml.replace('</samlp:Response>', `${'<a/>'.repeat(40_000)}</samlp:Response>`),
  'SML-11 a different name for every element': (xml) =>
    xml.replace(
      '</samlp:Response>',
      `${Array.from({ length: 9000 }, (_, i) => `<a${i}></a${i}>`).join('')}</samlp:Response>`,
    ),
  'SML-11 too many attributes': (xml) =>
    xml.replace(
      '<samlp:Response ',
      `<samlp:Response ${Array.from({ length: 20_000 }, (_, i) => `a${i}=""`).join(' ')} `,
    ),
  'SML-11 an attribute twice': (xml) =>
    xml.replace('<samlp:Response ', '<samlp:Response Version="2.0" '),
  'SML-11 a very long text': (xml) => xml.replace('alice', 'a'.repeat(10 * 1024 * 1024)),
  'SML-11 300 KiB': (xml) => xml.replace('alice', 'a'.repeat(300 * 1024)),
  'SML-11 two roots': (xml) => xml + xml,
  'SML-11 text after the end': (xml) => `${xml}x`,
  'SML-11 no end': (xml) => xml.slice(0, -5),
  'SML-11 ends that cross': (xml) => xml.replace('</saml:Subject>', '</saml:Subjec>'),
  'SML-11 nothing': () => ' ',
  'SML-11 no XML': () => 'SAMLResponse',
  'SML-11 a prefix nobody has declared': (xml) =>
    xml.replace('<saml:Subject>', '<nope:Subject>').replace('</saml:Subject>', '</nope:Subject>'),
  'SML-11 another prefix for xml': (xml) =>
    xml.replace('<samlp:Response ', '<samlp:Response xmlns:xml="http://evil.example" '),
  'SML-28 something else than a response': (xml) =>
    xml.replaceAll('samlp:Response', 'samlp:ArtifactResponse'),
  'SML-10 an element in another namespace': (xml) =>
    xml.replace('<saml:Subject>', '<saml:Subject xmlns:saml="http://evil.example">'),
}

describe('a message is refused that is', () => {
  for (const [name, bend] of Object.entries(texts))
    it(name, async () => {
      const provider = openSaml()
      const { remember, requestId } = await begun(provider)
      const bytes = Buffer.from(bend(signedResponse(said(requestId))) as string)
      const form = { SAMLResponse: bytes.toString('base64') }
      const started = performance.now()
      await assert.rejects(
        provider.receive({ form, redirectUri, remember }),
        because(/^saml_(xml|structure)/),
      )
      assert.ok(performance.now() - started < 500, 'in little time')
    })
  for (const [name, text] of Object.entries({
    'an alphabet that is not base64’s': '<xml>',
    'base64 of addresses': 'PD8-_w==',
    'base64 with spaces': 'PHg+ PC94',
    'base64 cut off': 'PHg',
    'base64 with its end in the middle': 'PHg=PHg=',
    nothing: '',
  }))
    it(`SML-11 ${name}`, async () => {
      const provider = openSaml()
      const { remember } = await begun(provider)
      const received = provider.receive({ form: { SAMLResponse: text }, redirectUri, remember })
      await assert.rejects(received, because(/^saml_xml/))
    })
  it('SML-28 not there', async () => {
    const provider = openSaml()
    const { remember } = await begun(provider)
    const form = { SAMLart: 'AAQAA' }
    await assert.rejects(
      provider.receive({ form, redirectUri, remember }),
      because('saml_response_missing'),
    )
  })
})

describe('a message nobody has asked for', () => {
  const unasked = (unsolicited: boolean, xml: string) =>
    openSaml().receive({ form: { SAMLResponse: encoded(xml) }, redirectUri, unsolicited })

  it('SML-21 is refused, unless the connection allows it, and proves nobody then', async () => {
    const xml = signedResponse(said(null))
    await assert.rejects(unasked(false, xml), because('saml_unsolicited'))
    const { remember } = await unasked(true, xml)
    await assert.rejects(openSaml().complete(new URL(redirectUri), remember))
  })
  it('SML-17 answers nothing', async () => {
    const xml = signedResponse(said('_somebodys'))
    for (const allowed of [true, false])
      await assert.rejects(unasked(allowed, xml), because('saml_in_response_to', 'flow_invalid'))
    const inside = said(null, {
      confirmation: confirmation(` InResponseTo="_x" Recipient="${acs}" NotOnOrAfter="${at(300)}"`),
    })
    await assert.rejects(unasked(true, signedResponse(inside)), because('saml_in_response_to'))
  })
  it('SML-21 has to be right all the same', async () => {
    const it = said(null, { conditions: conditions(['https://other.example']) })
    await assert.rejects(unasked(true, signedResponse(it)), because('saml_audience'))
    const bare = said(null)
    const xml = responseAround(bare, assertionOf(bare))
    await assert.rejects(unasked(true, xml), because('saml_unsigned'))
  })
  it('does not stand for one that was asked for', async () => {
    const provider = openSaml()
    const { remember } = await begun(provider)
    await assert.rejects(
      comeBack(provider, remember, signedResponse(said(null))),
      because('saml_in_response_to'),
    )
  })
})

describe('reading a message', () => {
  it('SML-11 takes little time where it is as long as it may be', async () => {
    const provider = openSaml()
    const { remember, requestId } = await begun(provider)
    const values = Array.from({ length: 3000 }, (_, i) => `group-${i}-${'x'.repeat(20)}`)
    const it = said(requestId, { attributes: attribute('groups', ...values) })
    const xml = responseAround(it, sign(assertionOf(it), it.assertionId))
    assert.ok(xml.length > 200_000)
    const started = performance.now()
    assert.equal((await comeBack(provider, remember, xml)).subject, 'alice')
    assert.ok(performance.now() - started < 2000)
  })
})
