import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startTestApp, type TestApp } from '../_app.ts'
import { fingerprint } from '../_fingerprint.ts'
import {
  enterprise,
  patchOp,
  startDirectory,
  user,
  type Json,
  type ScimClient,
} from './_directory.ts'

describe('changing what is said of somebody', () => {
  let app: TestApp
  let directory: ScimClient
  let id: string
  before(async () => {
    app = await startTestApp()
    directory = await startDirectory(app)
    const emails = [
      { value: 'w@acme.example', type: 'work', primary: true },
      { value: 'h@acme.example', type: 'home' },
    ]
    id = (await directory.create('ada', { externalId: 'x', title: 'Dr', emails })).id
  })
  after(() => app.close())

  /** What nobody may do, by the word of RFC 7644 for it; each comes after something that would be done. */
  const refused: Readonly<Record<string, readonly [scimType: string, ...operations: Json[]]>> = {
    'the id': ['mutability', { op: 'replace', path: 'id', value: 'other' }],
    'another id in a value': ['mutability', { op: 'replace', value: { id: 'other' } }],
    'when it was made': ['mutability', { op: 'replace', path: 'meta.created', value: 'x' }],
    'roles, to owner': ['mutability', { op: 'add', path: 'roles', value: [{ value: 'owner' }] }],
    'roles, without a path': ['mutability', { op: 'add', value: { roles: ['owner'] } }],
    'roles, by a filter': [
      'mutability',
      { op: 'add', path: 'roles[primary eq "True"].value', value: 'owner' },
    ],
    groups: ['mutability', { op: 'add', path: 'groups', value: [{ value: 'x' }] }],
    'a prototype': ['invalidPath', { op: 'add', path: '__proto__', value: { active: true } }],
    'a prototype’s part': ['invalidPath', { op: 'add', path: 'name.__proto__', value: 'x' }],
    'a constructor': ['invalidPath', { op: 'add', path: 'constructor.prototype', value: 'x' }],
    'what there is not': ['invalidPath', { op: 'add', path: 'shoeSize', value: 1 }],
    'a schema there is not': ['invalidPath', { op: 'add', path: 'urn:x:y:title', value: 'x' }],
    'a part there is not': ['invalidPath', { op: 'add', path: 'name.shoe', value: 'x' }],
    'a filter on one value': [
      'invalidPath',
      { op: 'add', path: 'title[value eq "x"]', value: 'x' },
    ],
    'a filter that cannot be read': ['invalidPath', { op: 'remove', path: 'emails[type eq' }],
    'a filter by a part there is not': ['invalidPath', { op: 'remove', path: 'emails[a eq "b"]' }],
    'a path that is none': ['invalidPath', { op: 'add', path: 7, value: 'x' }],
    'removing nothing in particular': ['noTarget', { op: 'remove' }],
    'what no value fits': [
      'noTarget',
      { op: 'replace', path: 'emails[type ne "work" and value co "zzz"].value', value: 'x' },
    ],
    'removing the name': ['mutability', { op: 'remove', path: 'userName' }],
    'removing whether they are active': ['mutability', { op: 'remove', path: 'active' }],
    'an empty name': ['mutability', { op: 'replace', path: 'userName', value: '' }],
    'neither true nor false': ['invalidValue', { op: 'replace', path: 'active', value: 'no' }],
    'a number for it': ['invalidValue', { op: 'replace', path: 'active', value: 0 }],
    'a list for it': ['invalidValue', { op: 'replace', path: 'active', value: [false] }],
    'a name that is none': ['invalidValue', { op: 'replace', path: 'userName', value: { a: 1 } }],
    'another operation': ['invalidSyntax', { op: 'move', path: 'title', value: 'x' }],
    'no operation': ['invalidSyntax', { path: 'title', value: 'x' }],
    'an operation that is none': ['invalidSyntax', 'replace'],
    'a value that is none': ['invalidSyntax', { op: 'replace', value: 'x' }],
    'too many': [
      'tooMany',
      ...Array.from({ length: 10_000 }, () => ({ op: 'replace', path: 'title', value: 'x' })),
    ],
  }
  for (const [what, [scimType, ...operations]] of Object.entries(refused))
    it(`SCM-05 SSO-182 cannot be changed: ${what}; and what came before it is not done either`, async () => {
      const untouched = await fingerprint(app.sallyport.services.db)
      const would = { op: 'replace', value: { active: false, title: 'Changed' } }
      const { status, body } = await directory.patch(id, [would, ...operations])
      assert.deepEqual([status, body.scimType], [400, scimType], JSON.stringify(body))
      assert.deepEqual(await fingerprint(app.sallyport.services.db), untouched)
    })

  for (const [what, body] of Object.entries<Json>({
    'no operations': { schemas: [patchOp] },
    'an empty list of them': { schemas: [patchOp], Operations: [] },
    'no list': { schemas: [patchOp], Operations: { op: 'replace' } },
    'no object': [],
  }))
    it(`SCM-05 a PATCH with ${what} is none`, async () => {
      const answer = await directory.send('PATCH', `/Users/${id}`, body)
      assert.deepEqual([answer.status, answer.body.scimType], [400, 'invalidSyntax'])
    })

  it('SCM-05 of two that contradict one another the last counts, and nothing happens in between', async () => {
    const { status, body } = await directory.patch(id, [
      { op: 'replace', path: 'active', value: false },
      { op: 'replace', path: 'active', value: true },
    ])
    assert.deepEqual([status, body.active], [200, true])
  })

  it('operations do what RFC 7644 says', async () => {
    const does = async (...operations: Json[]) => (await directory.patch(id, operations)).body
    const mails = (body: Json) => body.emails?.map(({ value }: Json) => value)
    assert.deepEqual(
      mails(await does({ op: 'add', path: 'emails', value: [{ value: 'n@acme.example' }] })),
      ['w@acme.example', 'h@acme.example', 'n@acme.example'],
    )
    assert.deepEqual(
      mails(await does({ op: 'add', path: 'emails', value: [{ value: 'n@acme.example' }] })),
      ['w@acme.example', 'h@acme.example', 'n@acme.example'],
      'once is enough',
    )
    assert.deepEqual(
      mails(
        await does({ op: 'remove', path: 'emails[value ew "acme.example" and type eq "home"]' }),
      ),
      ['w@acme.example', 'n@acme.example'],
    )
    assert.deepEqual(
      mails(await does({ op: 'replace', path: 'emails', value: [{ value: 'o@acme.example' }] })),
      ['o@acme.example'],
    )
    assert.equal(mails(await does({ op: 'remove', path: 'emails' })), undefined)
    const named = await does({ op: 'add', path: 'name', value: { givenName: 'Ada' } })
    assert.deepEqual(named.name, { givenName: 'Ada' })
    const both = await does({ op: 'replace', path: 'name.familyName', value: 'L' })
    assert.deepEqual(both.name, { givenName: 'Ada', familyName: 'L' })
    const one = await does({ op: 'remove', path: 'name.givenName' })
    assert.deepEqual(one.name, { familyName: 'L' })
    const extended = await does({ op: 'add', path: enterprise, value: { department: 'IT' } })
    assert.deepEqual(
      [extended[enterprise], extended.schemas],
      [{ department: 'IT' }, [user, enterprise]],
    )
    const bare = await does({ op: 'remove', path: `${enterprise}:department` })
    assert.deepEqual([bare[enterprise], bare.schemas], [undefined, [user]])
    const ignored = await does({ op: 'replace', value: { unheardOf: 1, id, schemas: [user] } })
    assert.equal(ignored.userName, 'ada')
    assert.equal((await does({ op: 'replace', path: 'title', value: null })).title, undefined)
  })
})
