import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../../src/lib/errors.ts'
import { parseFilter, parsePlace, type Filter } from '../../src/provisioning/filter.ts'

/** A filter in a form that shows how it was understood. */
function spell(filter: Filter): string {
  const path = ({
    schema,
    name,
    part,
  }: {
    schema?: string | undefined
    name: string
    part?: string | undefined
  }) => [schema ? `<${schema}>` : '', name, part ? `.${part}` : ''].join('')
  switch (filter.kind) {
    case 'and':
    case 'or':
      return `(${filter.of.map(spell).join(` ${filter.kind} `)})`
    case 'not':
      return `not ${spell(filter.of)}`
    case 'has':
      return `${path(filter.path)} pr`
    case 'compare':
      return `${path(filter.path)} ${filter.by} ${JSON.stringify(filter.with)}`
    case 'any':
      return `${path(filter.path)}[${spell(filter.where)}]`
  }
}

/** The examples of RFC 7644 §3.4.2.2, and what is near them. */
const understood: Readonly<Record<string, string>> = {
  'userName eq "bjensen"': 'username eq "bjensen"',
  'name.familyName co "O\'Malley"': 'name.familyname co "O\'Malley"',
  'userName sw "J"': 'username sw "J"',
  'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"':
    '<urn:ietf:params:scim:schemas:core:2.0:user>username sw "J"',
  'title pr': 'title pr',
  'meta.lastModified gt "2011-05-13T04:42:34Z"': 'meta.lastmodified gt "2011-05-13T04:42:34Z"',
  'title pr and userType eq "Employee"': '(title pr and usertype eq "Employee")',
  'title pr or userType eq "Intern"': '(title pr or usertype eq "Intern")',
  'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")':
    '(usertype eq "Employee" and (emails co "example.com" or emails.value co "example.org"))',
  'userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")':
    '(usertype ne "Employee" and not (emails co "example.com" or emails.value co "example.org"))',
  'emails[type eq "work" and value co "@example.com"]':
    'emails[(type eq "work" and value co "@example.com")]',
  'emails[type eq "work"].value eq "a@b.c"': 'emails[(type eq "work" and value eq "a@b.c")]',
  'a eq "1" or b eq "2" and c eq "3"': '(a eq "1" or (b eq "2" and c eq "3"))',
  'a eq "1" AND B Eq TRUE oR c eq null': '((a eq "1" and b eq true) or c eq null)',
  'a eq 12 and b le -3': '(a eq 12 and b le -3)',
  'a eq "not (and) \\"or\\" \\u0041"': 'a eq "not (and) \\"or\\" A"',
  '(((a pr)))': 'a pr',
  'not eq "x"': 'not eq "x"',
}

const refused: readonly string[] = [
  '',
  ' ',
  'userName',
  'userName eq',
  'userName eq bjensen',
  "userName eq 'bjensen'",
  'userName eq "a" or 1=1',
  'userName eq "a"; drop table scim_users',
  'userName is "a"',
  'userName eq "a',
  'userName eq "a\\"',
  'userName eq "\\ud800"',
  'userName eq "\\u0000"',
  '(userName eq "a"',
  'userName eq "a")',
  'not userName eq "a"',
  'and userName eq "a"',
  'userName eq "a" and',
  'userName eq "a" userName eq "b"',
  'emails[type eq "work"',
  'emails[]',
  'emails[type eq "work"].',
  'emails[type eq "work"].value',
  'emails.value[type eq "work"] eq "x"',
  '__proto__ pr',
  'a.b.c pr',
  '.a pr',
  'a. pr',
  '1a pr',
  'a eq 1.5e3',
  'a eq [1]',
  'a eq {"b":1}',
  `${'('.repeat(10_000)}a pr${')'.repeat(10_000)}`,
  `${'('.repeat(11)}a pr${')'.repeat(11)}`,
  Array.from({ length: 51 }, () => 'a pr').join(' or '),
  `a eq "${'x'.repeat(2000)}"`,
]

describe('filters', () => {
  for (const [text, means] of Object.entries(understood))
    it(`SCM-04 ${text}`, () => assert.equal(spell(parseFilter(text)), means))

  for (const text of refused)
    it(`SCM-04 refuses ${JSON.stringify(text.slice(0, 60))}`, () => {
      assert.throws(
        () => parseFilter(text),
        (error) => error instanceof AppError && error.members['scimType'] === 'invalidFilter',
      )
    })

  it('DOS-03 SCM-04 whatever it is, it is read or refused in little time', () => {
    const pieces = [
      '(',
      'a pr or ',
      'not (',
      'a[',
      '"',
      '\\',
      '" ',
      'a.',
      ' ',
      'urn:',
      'é',
      '\u0000',
    ]
    for (const piece of pieces)
      for (const around of ['', 'a eq "', 'a['])
        for (const size of [10, 500, 1990, 100_000]) {
          const text = around + piece.repeat(size / piece.length)
          const began = performance.now()
          for (const read of [parseFilter, parsePlace])
            try {
              read(text)
            } catch (error) {
              assert.ok(error instanceof AppError, String(error))
            }
          assert.ok(performance.now() - began < 250, text.slice(0, 40))
        }
  })

  it('paths name an attribute, a part of one, and which values', () => {
    assert.deepEqual(parsePlace('members'), {
      path: { schema: undefined, name: 'members', part: undefined },
    })
    const { path, where } = parsePlace('emails[type eq "work"].value')
    assert.deepEqual(path, { schema: undefined, name: 'emails', part: 'value' })
    assert.equal(spell(where!), 'type eq "work"')
    for (const wrong of [
      '',
      'a b',
      'a eq "x"',
      'a[',
      '[a pr]',
      '__proto__',
      'a.__proto__',
      'a.b.c',
    ])
      assert.throws(
        () => parsePlace(wrong),
        (error) => error instanceof AppError && error.members['scimType'] === 'invalidPath',
        wrong,
      )
  })
})
