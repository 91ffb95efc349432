import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startTestApp, type TestApp } from '../_app.ts'
import { enterprise, startDirectory, user, type Json, type ScimClient } from './_directory.ts'

describe('asking a directory’s server', () => {
  let app: TestApp
  let directory: ScimClient
  before(async () => {
    app = await startTestApp()
    directory = await startDirectory(app)
    // Somebody else's people, who are in no answer.
    const other = await startDirectory(app, { connectionId: await app.connect({ name: 'Other' }) })
    await other.create('ada@acme.example', { displayName: 'Another Ada' })
    const people: Json[] = [
      { userName: 'ada@acme.example', displayName: 'Ada', name: { familyName: 'Byron' } },
      { userName: 'Bob@acme.example', active: false, externalId: 'X1' },
      { userName: 'c_%\\d', emails: [{ value: 'c@home.example', type: 'home' }] },
      {
        userName: 'dora',
        emails: [
          { value: 'Dora@Acme.example', type: 'work', primary: true },
          { value: 'd@home.example', type: 'home' },
        ],
        [enterprise]: { department: 'IT' },
      },
    ]
    for (const { userName, ...more } of people) {
      app.clock.advance(1000)
      await directory.create(userName, more)
    }
  })
  after(() => app.close())

  /** Who fits a filter, oldest first. */
  const fitting: Readonly<Record<string, readonly string[]>> = {
    'userName eq "ADA@ACME.EXAMPLE"': ['ada@acme.example'],
    'userName ne "dora"': ['ada@acme.example', 'Bob@acme.example', 'c_%\\d'],
    'userName co "%"': ['c_%\\d'],
    'userName sw "c_"': ['c_%\\d'],
    'userName sw "_"': [],
    'userName ew "\\\\d"': ['c_%\\d'],
    'userName co ".*"': [],
    'userName gt "c"': ['c_%\\d', 'dora'],
    'externalId eq "X1"': ['Bob@acme.example'],
    'externalId eq "x1"': [],
    'externalId pr': ['Bob@acme.example'],
    'active eq false': ['Bob@acme.example'],
    'active eq "False"': ['Bob@acme.example'],
    'not (active eq true)': ['Bob@acme.example'],
    'displayName eq "ada"': ['ada@acme.example'],
    'name.familyName sw "by"': ['ada@acme.example'],
    'emails.value eq "dora@acme.example"': ['dora'],
    'emails eq "c@home.example"': ['c_%\\d'],
    'emails[type eq "work"].value eq "dora@acme.example"': ['dora'],
    'emails[type eq "work" and value co "home"]': [],
    'emails[type eq "home"]': ['c_%\\d', 'dora'],
    'emails[primary eq true]': ['dora'],
    'emails.value co "home" and active eq true or userName eq "ada@acme.example"': [
      'ada@acme.example',
      'c_%\\d',
      'dora',
    ],
    'meta.created gt "2001-01-01T00:00:00Z" and userName eq "dora"': ['dora'],
    'id eq "no id at all"': [],
    [`${user}:userName eq "dora"`]: ['dora'],
    [`userName eq "a' or '1'='1"`]: [],
  }
  for (const [filter, names] of Object.entries(fitting))
    it(`SCM-04 ${filter}`, async () => {
      const found = await directory.find('Users', filter)
      assert.deepEqual(
        found.map(({ userName }) => userName),
        names,
      )
    })

  for (const filter of [
    'userName eq "a" or 1=1',
    'password eq "x"',
    'title eq "x"',
    'userId pr',
    'user_id pr',
    'name.middleName eq "x"',
    'roles.value eq "x"',
    'emails.display eq "x"',
    'emails[emails[type pr]]',
    'active co "t"',
    'active eq "maybe"',
    'meta.created gt "yesterday"',
    'id gt "x"',
    `${enterprise}:department eq "IT"`,
    'urn:x:y:userName eq "a"',
  ])
    it(`SCM-04 cannot be asked ${filter}`, async () => {
      const { status, body } = await directory.get(`/Users?filter=${encodeURIComponent(filter)}`)
      assert.deepEqual([status, body.scimType], [400, 'invalidFilter'])
    })

  it('SSO-176 what nobody fits is an empty list', async () => {
    const { body } = await directory.get('/Users?filter=userName%20eq%20%22nobody%22')
    assert.deepEqual(body, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
      totalResults: 0,
      startIndex: 1,
      itemsPerPage: 0,
      Resources: [],
    })
  })

  it('SCM-09 pages are counted from 1, and are as large as they may be', async () => {
    const page = async (query: string) => {
      const { status, body } = await directory.get(`/Users?${query}`)
      if (status !== 200) return status
      const names = body.Resources.map(({ userName }: Json) => userName)
      return [body.totalResults, body.startIndex, body.itemsPerPage, names]
    }
    const all = ['ada@acme.example', 'Bob@acme.example', 'c_%\\d', 'dora']
    assert.deepEqual(await page('startIndex=2&count=2'), [4, 2, 2, all.slice(1, 3)])
    assert.deepEqual(await page('count=0'), [4, 1, 0, []])
    assert.deepEqual(await page('count=-5'), [4, 1, 0, []])
    assert.deepEqual(await page('startIndex=-1'), [4, 1, 4, all])
    assert.deepEqual(await page('startIndex=0&count='), [4, 1, 4, all])
    assert.deepEqual(await page('count=1e9'), [4, 1, 4, all])
    assert.deepEqual(await page('startIndex=5'), [4, 5, 0, []])
    assert.deepEqual(await page('startIndex=99999999999999999999'), [4, 10_000_000, 0, []])
    for (const wrong of ['count=x', 'startIndex=1.5', 'count=NaN', 'count=1;2'])
      assert.equal(await page(wrong), 400, wrong)
    assert.deepEqual(await page('sortBy=password&sortOrder=x'), [4, 1, 4, all], 'is not sorted')
  })

  it('SCM-09 no page has more than 200', async () => {
    const many = await startDirectory(app, { connectionId: await app.connect({ name: 'Many' }) })
    const { db, clock } = app.sallyport.services
    const rows = Array.from({ length: 230 }, (_, i) => ({
      id: `01890000-0000-7000-8000-00000000${String(i).padStart(4, '0')}`,
      connection_id: many.connectionId,
      user_name: `u${i}`,
      folded: `u${i}`,
      active: true,
      created_at: clock.now(),
      changed_at: clock.now(),
    }))
    await db.insertInto('scim_users').values(rows).execute()
    const { body } = await many.get('/Users?count=100000')
    assert.deepEqual([body.totalResults, body.itemsPerPage], [230, 200])
    const rest = await many.get('/Users?startIndex=201&count=200')
    assert.equal(rest.body.itemsPerPage, 30)
  })

  it('answers have what was asked for', async () => {
    const [{ id }] = await directory.find('Users', 'userName eq "dora"')
    const keys = async (query: string) =>
      Object.keys((await directory.get(`/Users/${id}?${query}`)).body)
    assert.deepEqual(await keys('attributes=userName,EMAILS.value'), [
      'schemas',
      'id',
      'userName',
      'emails',
    ])
    const { body } = await directory.get(`/Users/${id}?attributes=emails.value`)
    assert.deepEqual(body.emails, [{ value: 'Dora@Acme.example' }, { value: 'd@home.example' }])
    const without = await keys('excludedAttributes=emails,meta,id')
    assert.deepEqual(without, ['schemas', 'id', 'userName', 'active', enterprise])
    assert.deepEqual(await keys(`attributes=${enterprise}:department`), [
      'schemas',
      'id',
      enterprise,
    ])
    for (const wrong of [
      'attributes=a%20b',
      'excludedAttributes=__proto__',
      `attributes=${'a,'.repeat(60)}`,
    ])
      assert.equal((await directory.get(`/Users/${id}?${wrong}`)).status, 400, wrong)
  })

  it('says what it can do, and bulk is not among it', async () => {
    const config = (await directory.get('/ServiceProviderConfig')).body
    const can = Object.entries<Json>(config)
      .filter(([, value]) => typeof value?.supported === 'boolean')
      .map(([name, { supported }]) => [name, supported])
    assert.deepEqual(Object.fromEntries(can), {
      patch: true,
      bulk: false,
      filter: true,
      changePassword: false,
      sort: false,
      etag: true,
    })
    assert.equal(config.filter.maxResults, 200)
    const types = (await directory.get('/ResourceTypes')).body
    assert.deepEqual(
      types.Resources.map(({ endpoint }: Json) => endpoint),
      ['/Users', '/Groups'],
    )
    assert.deepEqual((await directory.get('/ResourceTypes/User')).body, types.Resources[0])
    const schemas = (await directory.get('/Schemas')).body.Resources
    for (const one of schemas) {
      assert.deepEqual((await directory.get(`/Schemas/${one.id}`)).body, one)
      for (const { name, type, multiValued, mutability } of one.attributes)
        assert.ok(
          [name, type, multiValued, mutability].every((each) => each !== undefined),
          name,
        )
    }
    assert.equal((await directory.get('/Schemas/urn:none')).status, 404)
  })

  it('what is not there is told in the same words', async () => {
    const ask = async (method: string, path: string) => {
      const { status, headers } = await directory.send(method, path)
      return [status, headers.get('allow')]
    }
    assert.deepEqual(await ask('POST', '/Bulk'), [501, null])
    assert.deepEqual(await ask('GET', '/Me'), [501, null])
    assert.deepEqual(await ask('PUT', '/Users'), [405, 'GET, POST'])
    assert.deepEqual(await ask('POST', '/Users/x'), [405, 'GET, PUT, PATCH, DELETE'])
    assert.deepEqual(await ask('DELETE', '/Schemas'), [405, 'GET'])
    assert.deepEqual(await ask('GET', '/Nothing'), [404, null])
    assert.deepEqual(await ask('GET', ''), [404, null])
    assert.deepEqual(await ask('GET', '/Users/x/y'), [404, null])
  })

  it('SCM-09 DOS-02 a body that is too much is refused before it is read', async () => {
    const large = await directory.send('POST', '/Users', `{"userName":"${'x'.repeat(1 << 20)}"}`)
    assert.equal(large.status, 413)
    const deep = `{"userName":"x","name":${'{"a":'.repeat(100)}1${'}'.repeat(101)}`
    assert.equal((await directory.send('POST', '/Users', deep)).status, 400)
    const keys = Object.fromEntries(Array.from({ length: 50_001 }, (_, i) => [`k${i}`, 1]))
    assert.equal((await directory.send('POST', '/Users', keys)).status, 400)
    const zipped = { 'content-encoding': 'gzip' }
    assert.equal((await directory.send('POST', '/Users', {}, zipped)).status, 415)
    const long = await directory.send('POST', '/Users', { userName: 'x'.repeat(1025) })
    assert.deepEqual([long.status, long.body.scimType], [400, 'invalidValue'])
    const nul = await directory.send('POST', '/Users', { userName: 'a\u0000b' })
    assert.deepEqual([nul.status, nul.body.scimType], [400, 'invalidValue'])
  })
})
