import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { giveDatabaseBack } from '../../dev/states/away.ts'
import { states } from '../../dev/states/enter.ts'
import { decisions } from '../../src/sessions/decide.ts'
import { Browser } from '../_browser.ts'
import { startSite, type Site } from '../browser/_site.ts'
import { sendOverHttp } from '../_send.ts'

describe('S2-38 every state of the decision can be entered, and is what the page says', () => {
  let site: Site
  before(async () => {
    site = await startSite({ env: { SALLYPORT_GUESTS: 'on' } })
  })
  after(() => site.close())

  const enter = async (name: string) => {
    await site.sallyport.services.db.deleteFrom('rate_limits').execute()
    const browser = new Browser(site.origin, sendOverHttp)
    // The cookies it came with must not matter.
    browser.cookies.set('sallyport', 'nonsense')
    const answer = await browser.post(`/dev/states/${name}`, { token: site.running.permit.token })
    return { browser, answer, html: await answer.text() }
  }
  /** What somebody meets who goes on from there: the status, and where it leads or what it is called. */
  const meets = async (browser: Browser, path: string) => {
    const answer = await browser.get(
      path,
      path.startsWith('/sso/') ? { 'sec-fetch-site': 'cross-site' } : {},
    )
    const title = /<h1>(.*?)<\/h1>/s.exec(await answer.text())?.[1]
    const location = answer.headers.get('location')?.replace(site.origin, '')
    return [answer.status, location?.replace(/[0-9a-f-]{36}|state=.*/g, '…') ?? title]
  }

  /** What a request puts right, so that the one after meets something else. */
  const readOnce = ['2', '5', '6', '10', '11']

  const expected: Readonly<Record<string, readonly [outcome: string, met: readonly unknown[]]>> = {
    '1': ['go', [200, 'Your account']],
    '1-return': ['go', [303, '/account']],
    '1-switch': ['go', [303, '/sso/…/continue?…']],
    '2': ['go_set_hint', [200, 'Your account']],
    '3': ['start_session', [303, '/account']],
    '4': ['start_session_new_device', [303, '/account']],
    '5': ['conflict_live_session', [303, '/login?return_to=%2Faccount']],
    '5-return': [
      'conflict_live_session',
      [409, 'This sign-in is new to us, and somebody is signed in here'],
    ],
    '5-guest': ['conflict_live_session', [303, '/register?…']],
    '6': ['conflict_live_session_no_hint', [303, '/login?return_to=%2Faccount']],
    '7': ['unknown_identity_known_browser', [303, '/register?…']],
    '8': ['register', [303, '/account']],
    '9': ['guest_go', [303, '/login?return_to=%2Faccount']],
    '10': ['guest_go_set_hint', [303, '/login?return_to=%2Faccount']],
    '11': ['welcome_back', [303, '/login?return_to=%2Faccount']],
    '12': ['fresh', [303, '/login?return_to=%2Faccount']],
    '13': ['reauth_required', [303, '/login?reauth=1&return_to=%2Faccount']],
    '14': ['reauth_then_set_hint', [303, '/login?reauth=1&return_to=%2Faccount']],
    '13-guest': ['guest_with_account_hint', [303, '/login?return_to=%2Faccount']],
    '15': ['not_arrived_yet', [303, '/login?return_to=%2Faccount']],
  }

  for (const [name, [outcome, met]] of Object.entries(expected)) {
    it(`S2-38 state ${name} is ${outcome}`, async () => {
      const { browser, answer, html } = await enter(name)
      assert.equal(answer.status, 200)
      const { row } = states.find((state) => state.name === name)!
      assert.match(html, new RegExp(`Row ${row}, <strong>${outcome}</strong>`))
      const back = /href="(\/sso\/[^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&')
      // An ordinary request is asked twice: as the page would see it, and as it is met.
      if (!back && !readOnce.includes(name))
        assert.match(
          await (await browser.get('/dev/states')).text(),
          new RegExp(`Row ${row}, <strong>${outcome}`),
        )
      assert.deepEqual(await meets(browser, back ?? '/account'), met)
    })
  }

  for (const name of readOnce)
    it(`S2-38 state ${name} is what the very next request says it met`, async () => {
      const { browser, html } = await enter(name)
      const said = /Row \d+, <strong>\w+<\/strong>/.exec(html)?.[0]
      const met = /Row \d+, <strong>\w+<\/strong>/.exec(
        await (await browser.get('/dev/states')).text(),
      )?.[0]
      assert.equal(met, said)
    })

  it('S2-38 state 17 takes the database away, and gives it back', async (t) => {
    t.after(() => giveDatabaseBack(site.sallyport.services))
    const { browser, html } = await enter('17')
    assert.match(html, /Row 17, <strong>store_unavailable<\/strong>/)
    assert.equal((await browser.get('/account')).status, 503)
    giveDatabaseBack(site.sallyport.services)
    assert.equal((await browser.get('/account')).status, 200)
  })

  it('S2-38 every row has its place on the page, and what cannot be entered says why', async () => {
    const rows = Object.values(decisions).map(({ row }) => row)
    assert.deepEqual(
      new Set(states.map(({ row }) => row)),
      new Set([...rows, 17].toSorted((a, b) => a - b)),
    )
    const closed = states.filter(({ enter }) => typeof enter === 'string')
    assert.deepEqual(
      closed.map(({ name }) => name),
      ['16'],
    )
    for (const { name } of closed) assert.equal((await enter(name)).answer.status, 404)
    const open = states.filter(({ enter }) => typeof enter !== 'string').map(({ name }) => name)
    assert.deepEqual(open.toSorted(), [...Object.keys(expected), '17'].toSorted())
  })

  it('S2-38 AUT-05 a state is entered by a press on our own page only', async () => {
    const browser = new Browser(site.origin, sendOverHttp)
    assert.equal((await browser.post('/dev/states/1')).status, 403)
    const { token } = site.running.permit
    const strange = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    assert.equal((await browser.post('/dev/states/1', { token }, strange)).status, 403)
    assert.equal(browser.cookies.size, 0)
  })
})
