import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startTestApp, type TestApp } from '../_app.ts'
import {
  enterprise,
  group,
  patchOp,
  signIn,
  startDirectory,
  user,
  whoIs,
  type Answer,
  type Json,
  type ScimClient,
} from './_directory.ts'

/** One request, as a directory is known to send it, and what it needs back. */
interface Step {
  readonly what: string
  readonly send: (ids: Ids) => readonly [method: string, path: string, body?: Json]
  readonly status: number
  /** Something of the answer. */
  readonly sees?: (body: Json) => unknown
  readonly is?: unknown
  /** What the step makes is called so from then on. */
  readonly makes?: string
}

type Ids = Readonly<Record<string, string>>

/** How one directory behaves: to a person who has signed in meanwhile. */
interface Vendor {
  readonly name: string
  /** By which it is matched to sign-ins, and the subject that its person signs in with. */
  readonly match: 'userName' | 'externalId'
  readonly subject: string
  /** Up to the person being there. The user is called `user`. */
  readonly creates: readonly Step[]
  readonly changes: readonly Step[]
  /** Every way in which it is known to deactivate. */
  readonly deactivates: Readonly<Record<string, (ids: Ids) => readonly [string, string, Json]>>
  readonly reactivates: (ids: Ids) => readonly [string, string, Json]
  readonly groups: readonly Step[]
}

const find = (what: string, filter: string, more = '') =>
  `/${what}?filter=${encodeURIComponent(filter)}${more}`
const total = (body: Json) => body.totalResults
const patch = (...Operations: Json[]) => ({ schemas: [patchOp], Operations })
const members = (body: Json) => (body.members ?? []).map((one: Json) => one.value)

const oktaUser = {
  schemas: [user],
  userName: 'test.user@okta.local',
  name: { givenName: 'Test', familyName: 'User' },
  emails: [{ primary: true, value: 'test.user@okta.local', type: 'work' }],
  displayName: 'Test User',
  locale: 'en-US',
  externalId: '00ujl29u0le5T6Aj10h7',
  groups: [],
  password: '1mz050nq',
  active: true,
}

const okta: Vendor = {
  name: 'Okta',
  match: 'externalId',
  subject: oktaUser.externalId,
  creates: [
    {
      what: 'tests the connection',
      send: () => ['GET', '/Users?startIndex=1&count=2'],
      status: 200,
      sees: total,
      is: 0,
    },
    {
      what: 'looks whether the user is there',
      send: () => [
        'GET',
        find('Users', 'userName eq "test.user@okta.local"', '&startIndex=1&count=100'),
      ],
      status: 200,
      sees: ({ totalResults, Resources }) => [totalResults, Resources],
      is: [0, []],
    },
    {
      what: 'creates the user',
      send: () => ['POST', '/Users', oktaUser],
      status: 201,
      makes: 'user',
      sees: ({ userName, active, externalId, password }) => [
        userName,
        active,
        externalId,
        password,
      ],
      is: ['test.user@okta.local', true, '00ujl29u0le5T6Aj10h7', undefined],
    },
    {
      what: 'reads a user that is not there',
      send: () => ['GET', '/Users/010101001010101011001010101011'],
      status: 404,
    },
  ],
  changes: [
    {
      what: 'replaces the profile',
      send: ({ user: id }) => [
        'PUT',
        `/Users/${id}`,
        { ...oktaUser, id, name: { givenName: 'Another', familyName: 'User' }, meta: {} },
      ],
      status: 200,
      sees: ({ name }) => name.givenName,
      is: 'Another',
    },
  ],
  deactivates: {
    'a PATCH without a path': ({ user: id }) => [
      'PATCH',
      `/Users/${id}`,
      patch({ op: 'replace', value: { active: false } }),
    ],
    'a PUT of everything': ({ user: id }) => [
      'PUT',
      `/Users/${id}`,
      { ...oktaUser, id, active: false },
    ],
  },
  reactivates: ({ user: id }) => [
    'PATCH',
    `/Users/${id}`,
    patch({ op: 'replace', value: { active: true } }),
  ],
  groups: [
    {
      what: 'looks at what groups there are',
      send: () => ['GET', '/Groups?startIndex=1&count=100'],
      status: 200,
      sees: total,
      is: 0,
    },
    {
      what: 'pushes a group',
      send: () => [
        'POST',
        '/Groups',
        { schemas: [group], displayName: 'Test SCIMv2', members: [] },
      ],
      status: 201,
      makes: 'team',
    },
    {
      what: 'renames it, with its id in the value',
      send: ({ team }) => [
        'PATCH',
        `/Groups/${team}`,
        patch({ op: 'replace', value: { id: team, displayName: 'Test SCIMv2 renamed' } }),
      ],
      status: 204,
    },
    {
      what: 'adds somebody',
      send: ({ team, user: id }) => [
        'PATCH',
        `/Groups/${team}`,
        patch({ op: 'add', path: 'members', value: [{ value: id, display: 'test.user' }] }),
      ],
      status: 204,
    },
    {
      what: 'sees them in it',
      send: ({ team }) => ['GET', `/Groups/${team}`],
      status: 200,
      sees: (body) => [body.displayName, members(body).length],
      is: ['Test SCIMv2 renamed', 1],
    },
    {
      what: 'takes them out and puts them in, in one',
      send: ({ team, user: id }) => [
        'PATCH',
        `/Groups/${team}`,
        patch(
          { op: 'remove', path: `members[value eq "${id}"]` },
          { op: 'add', path: 'members', value: [{ value: id }] },
        ),
      ],
      status: 204,
    },
    {
      what: 'says who is in it, all anew',
      send: ({ team, user: id }) => [
        'PATCH',
        `/Groups/${team}`,
        patch({ op: 'replace', path: 'members', value: [{ value: id }] }),
      ],
      status: 204,
    },
    {
      what: 'empties it',
      send: ({ team }) => [
        'PATCH',
        `/Groups/${team}`,
        patch({ op: 'replace', path: 'members', value: [] }),
      ],
      status: 204,
    },
    {
      what: 'sees it empty',
      send: ({ team }) => ['GET', `/Groups/${team}`],
      status: 200,
      sees: members,
      is: [],
    },
    { what: 'deletes it', send: ({ team }) => ['DELETE', `/Groups/${team}`], status: 204 },
  ],
}

const objectId = '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef'
const entraUser = {
  schemas: [user, enterprise],
  externalId: objectId,
  userName: 'Test_User_ab6490ee@testuser.com',
  active: true,
  emails: [{ primary: true, type: 'work', value: 'Test_User_fd0ea19b@testuser.com' }],
  meta: { resourceType: 'User' },
  name: { formatted: 'givenName familyName', familyName: 'familyName', givenName: 'givenName' },
  roles: [],
}

const entra: Vendor = {
  name: 'Entra',
  match: 'externalId',
  subject: objectId,
  creates: [
    {
      what: 'tests with somebody who cannot be there',
      send: () => ['GET', find('Users', 'userName eq "non-existent user"')],
      status: 200,
      sees: total,
      is: 0,
    },
    {
      what: 'creates the user',
      send: () => ['POST', '/Users', entraUser],
      status: 201,
      makes: 'user',
    },
    {
      what: 'finds them by the name, in another case',
      send: () => ['GET', find('Users', 'userName eq "TEST_USER_AB6490EE@testuser.com"')],
      status: 200,
      sees: total,
      is: 1,
    },
    {
      what: 'finds them by the external id',
      send: () => ['GET', find('Users', `externalId eq "${objectId}"`)],
      status: 200,
      sees: total,
      is: 1,
    },
    {
      what: 'finds them by the address at work',
      send: () => [
        'GET',
        find('Users', 'emails[type eq "work"].value eq "Test_User_fd0ea19b@testuser.com"'),
      ],
      status: 200,
      sees: total,
      is: 1,
    },
  ],
  changes: [
    {
      what: 'changes several attributes, in capitals, one of them not there yet',
      send: ({ user: id }) => [
        'PATCH',
        `/Users/${id}`,
        patch(
          { op: 'Replace', path: 'emails[type eq "work"].value', value: 'updated@microsoft.com' },
          { op: 'Replace', path: 'name.familyName', value: 'updatedFamilyName' },
          { op: 'Add', path: 'phoneNumbers[type eq "mobile"].value', value: '555' },
          { op: 'Add', path: `${enterprise}:department`, value: 'IT' },
          { op: 'Add', path: `${enterprise}:manager`, value: 'boss' },
        ),
      ],
      status: 200,
      sees: (body) => [
        body.emails,
        body.name.familyName,
        body.phoneNumbers,
        body[enterprise],
        body.schemas,
      ],
      is: [
        [{ primary: true, type: 'work', value: 'updated@microsoft.com' }],
        'updatedFamilyName',
        [{ type: 'mobile', value: '555' }],
        { department: 'IT', manager: { value: 'boss' } },
        [user, enterprise],
      ],
    },
    {
      what: 'names attributes by their paths in one value',
      send: ({ user: id }) => [
        'PATCH',
        `/Users/${id}`,
        patch({
          op: 'replace',
          value: {
            displayName: 'Bjfe',
            'name.givenName': 'Bjfe',
            'emails[type eq "work"].value': 'other@microsoft.com',
            [`${enterprise}:department`]: 'bob',
            [enterprise]: { division: 'North' },
          },
        }),
      ],
      status: 200,
      sees: (body) => [
        body.displayName,
        body.name.givenName,
        body.emails[0].value,
        body[enterprise],
      ],
      is: [
        'Bjfe',
        'Bjfe',
        'other@microsoft.com',
        { department: 'bob', division: 'North', manager: { value: 'boss' } },
      ],
    },
    {
      what: 'takes attributes away',
      send: ({ user: id }) => [
        'PATCH',
        `/Users/${id}`,
        patch(
          { op: 'Remove', path: `${enterprise}:manager` },
          { op: 'Remove', path: 'phoneNumbers[type eq "mobile"]' },
          { op: 'Remove', path: 'displayName' },
        ),
      ],
      status: 200,
      sees: (body) => [body.displayName, body.phoneNumbers, body[enterprise].manager],
      is: [undefined, undefined, undefined],
    },
  ],
  deactivates: {
    'the word False': ({ user: id }) => [
      'PATCH',
      `/Users/${id}`,
      patch({ op: 'Replace', path: 'active', value: 'False' }),
    ],
    'a real false': ({ user: id }) => [
      'PATCH',
      `/Users/${id}`,
      patch({ op: 'Replace', path: 'active', value: false }),
    ],
    'the schema before the name': ({ user: id }) => [
      'PATCH',
      `/Users/${id}`,
      patch({ op: 'Add', path: `${user}:active`, value: 'False' }),
    ],
  },
  reactivates: ({ user: id }) => [
    'PATCH',
    `/Users/${id}`,
    patch({ op: 'Replace', path: 'active', value: 'True' }),
  ],
  groups: [
    {
      what: 'creates a group with a schema of its own',
      send: () => [
        'POST',
        '/Groups',
        {
          schemas: [
            group,
            'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group',
          ],
          externalId: '8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159',
          displayName: 'displayName',
          meta: { resourceType: 'Group' },
        },
      ],
      status: 201,
      makes: 'team',
    },
    {
      what: 'finds it by its name, without who is in it',
      send: () => [
        'GET',
        find('Groups', 'displayName eq "displayName"', '&excludedAttributes=members'),
      ],
      status: 200,
      sees: ({ totalResults, Resources }) => [totalResults, 'members' in Resources[0]],
      is: [1, false],
    },
    {
      what: 'adds somebody',
      send: ({ team, user: id }) => [
        'PATCH',
        `/Groups/${team}`,
        patch({ op: 'Add', path: 'members', value: [{ $ref: null, value: id }] }),
      ],
      status: 204,
    },
    {
      what: 'asks whether they are in it',
      send: ({ team, user: id }) => [
        'GET',
        find('Groups', `id eq "${team}" and members eq "${id}"`, '&attributes=id'),
      ],
      status: 200,
      sees: ({ totalResults, Resources }) => [totalResults, Object.keys(Resources[0])],
      is: [1, ['schemas', 'id']],
    },
    {
      what: 'renames it',
      send: ({ team }) => [
        'PATCH',
        `/Groups/${team}`,
        patch({ op: 'Replace', path: 'displayName', value: '1879db59' }),
      ],
      status: 204,
    },
    {
      what: 'takes somebody out by a list',
      send: ({ team, user: id }) => [
        'PATCH',
        `/Groups/${team}`,
        patch({ op: 'Remove', path: 'members', value: [{ $ref: null, value: id }] }),
      ],
      status: 204,
    },
    {
      what: 'takes out whoever is not in it',
      send: ({ team, user: id }) => [
        'PATCH',
        `/Groups/${team}`,
        patch({ op: 'Remove', path: `members[value eq "${id}"]` }),
      ],
      status: 204,
    },
    {
      what: 'sees it renamed and empty',
      send: ({ team }) => ['GET', `/Groups/${team}`],
      status: 200,
      sees: (body) => [body.displayName, members(body)],
      is: ['1879db59', []],
    },
    { what: 'deletes it', send: ({ team }) => ['DELETE', `/Groups/${team}`], status: 204 },
  ],
}

const googleUser = {
  schemas: [user, enterprise],
  userName: 'liz@acme.example',
  externalId: '108439812348971234',
  name: { givenName: 'Liz', familyName: 'Smith', formatted: 'Liz Smith' },
  emails: [{ value: 'liz@acme.example', primary: true, type: 'work' }],
  active: true,
  [enterprise]: { department: 'Sales' },
}

const google: Vendor = {
  name: 'Google',
  match: 'userName',
  subject: 'liz@acme.example',
  creates: [
    {
      what: 'tests the connection',
      send: () => ['GET', '/Users?count=1'],
      status: 200,
      sees: total,
      is: 0,
    },
    {
      what: 'looks for the user by either name',
      send: () => [
        'GET',
        find('Users', 'userName eq "liz@acme.example" or externalId eq "108439812348971234"'),
      ],
      status: 200,
      sees: total,
      is: 0,
    },
    {
      what: 'creates the user',
      send: () => ['POST', '/Users', googleUser],
      status: 201,
      makes: 'user',
    },
  ],
  changes: [
    {
      what: 'replaces everything, and leaves out what it knows nothing of',
      send: ({ user: id }) => [
        'PUT',
        `/Users/${id}`,
        { schemas: [user], id, userName: 'liz@acme.example', name: { givenName: 'Liza' } },
      ],
      status: 200,
      sees: (body) => [body.name, body.active, body.externalId, body.emails, body[enterprise]],
      is: [{ givenName: 'Liza' }, true, '108439812348971234', undefined, undefined],
    },
  ],
  deactivates: {
    'a PUT that says little else': ({ user: id }) => [
      'PUT',
      `/Users/${id}`,
      { schemas: [user], userName: 'liz@acme.example', active: false },
    ],
    'a PUT of everything, with the word': ({ user: id }) => [
      'PUT',
      `/Users/${id}`,
      { ...googleUser, id, active: 'false' },
    ],
  },
  reactivates: ({ user: id }) => ['PUT', `/Users/${id}`, { ...googleUser, id }],
  groups: [],
}

for (const vendor of [okta, entra, google])
  describe(`the habits of ${vendor.name}`, () => {
    let app: TestApp
    let directory: ScimClient
    const ids: Record<string, string> = {}
    before(async () => {
      app = await startTestApp()
      await app.sallyport.services.db
        .updateTable('connections')
        .set({ provisioning: 'off' })
        .execute()
      directory = await startDirectory(app, { match: vendor.match })
    })
    after(() => app.close())

    const ask = ([method, path, body]: readonly [string, string, Json?]): Promise<Answer> =>
      directory.send(method, path, body)
    const take = ({ what, send, status, sees, is, makes }: Step) =>
      it(`${vendor.name} ${what}`, async () => {
        const answer = await ask(send(ids))
        assert.equal(answer.status, status, JSON.stringify(answer.body))
        if (sees) assert.deepEqual(sees(answer.body), is)
        if (makes) ids[makes] = answer.body.id
      })

    vendor.creates.forEach(take)
    vendor.changes.forEach(take)

    for (const [how, says] of Object.entries(vendor.deactivates))
      it(`VER-17 SSO-182 ${vendor.name} deactivates by ${how}: out at once, and back in by signing in only`, async () => {
        const { browser, status } = await signIn(app, vendor.subject)
        assert.equal(status, 303)
        const answer = await ask(says(ids))
        assert.equal(answer.status, 200, JSON.stringify(answer.body))
        assert.equal(answer.body.active, false)
        assert.equal(await whoIs(browser), undefined)
        assert.equal((await signIn(app, vendor.subject)).status, 403)
        const shown = await directory.get(`/Users/${ids['user']}`)
        assert.equal(shown.body.active, false, 'and is still to be seen')
        const back = await ask(vendor.reactivates(ids))
        assert.deepEqual([back.status, back.body.active], [200, true])
        assert.equal(await whoIs(browser), undefined)
      })

    vendor.groups.forEach(take)

    it(`${vendor.name} deletes the user`, async () => {
      const { browser } = await signIn(app, vendor.subject)
      assert.ok(await whoIs(browser))
      assert.equal((await directory.send('DELETE', `/Users/${ids['user']}`)).status, 204)
      assert.equal(await whoIs(browser), undefined)
    })
  })

describe('Entra by OpenID Connect', () => {
  it('VER-17 is matched by the object id in the claim, for a subject is made for each application', async () => {
    await using app = await startTestApp()
    await app.sallyport.services.db
      .updateTable('connections')
      .set({ provisioning: 'off' })
      .execute()
    const directory = await startDirectory(app, { match: 'oid' })
    const { id } = await directory.create('ab@testuser.com', { externalId: objectId })
    assert.equal((await signIn(app, objectId)).status, 403, 'what the subject is says nothing')
    app.provider.people.set('pairwise', { claims: { name: 'Ab', raw: { oid: objectId } } })
    const { browser, status } = await signIn(app, 'pairwise')
    assert.equal(status, 303)
    await directory.setActive(id, false)
    assert.equal(await whoIs(browser), undefined)
    assert.equal((await signIn(app, 'pairwise')).status, 403)
    // Whoever had signed in before the directory spoke is found at their next sign-in.
    const { db } = app.sallyport.services
    await db.updateTable('connections').set({ provisioning: 'everybody' }).execute()
    app.provider.people.set('early', { claims: { name: 'Early', raw: { oid: 'early-oid' } } })
    assert.equal((await signIn(app, 'early')).status, 303)
    await directory.create('early@testuser.com', { externalId: 'early-oid', active: false })
    const early = await signIn(app, 'early')
    assert.equal(early.status, 403)
    assert.equal(await whoIs(early.browser), undefined)
    // The same claim in somebody else's sign-in leads to nobody's account.
    await directory.setActive(id, true)
    app.provider.people.set('other', { claims: { name: 'Eve', raw: { oid: objectId } } })
    assert.equal((await signIn(app, 'other')).status, 403)
    assert.equal((await signIn(app, 'pairwise')).status, 303)
  })
})
