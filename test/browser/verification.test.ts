import assert from 'node:assert/strict'
import { test } from 'node:test'
import { minutes, seconds } from '../../src/lib/clock.ts'
import { pathOf, sees, seesSignedIn, setStage, signIn } from './_visitor.ts'

const stage = setStage()

test('VER-03 S1-06 Alice is suspended at the provider’s page, and her session here dies by itself; link, audit and members say so', async (t) => {
  const { site } = stage
  const page = await stage.visit(t)
  await signIn(page, 'Alice', '/account')
  await sees(page, 'Your account')
  const colleague = await stage.visit(t)
  await signIn(colleague, 'Dave', '/account')
  await sees(colleague, 'Your account')

  // At the provider, as whoever looks after people there.
  await colleague.goto(site.provider.issuer)
  await colleague.getByRole('button', { name: 'Suspend Alice Archer' }).click()
  await colleague.getByRole('button', { name: 'Restore Alice Archer' }).waitFor()

  // Nothing has been asked yet: she is let in, and her page is what it was.
  await page.reload()
  await seesSignedIn(page, 'Alice Archer')

  // A minute, which is how often development asks.
  site.clock.ahead += minutes(1) * 1.1
  const gone = performance.now() + seconds(20)
  do {
    assert.ok(performance.now() < gone, 'she is still let in')
    await page.reload()
  } while (pathOf(page) === '/account')
  assert.equal(pathOf(page), '/login?return_to=%2Faccount')
  await page.goto('/')
  await page.getByRole('link', { name: 'Sign in', exact: true }).waitFor()

  // Dave, an administrator, is still there, and sees what happened.
  await colleague.goto(`${site.origin}/organizations/acme/members?state=revoked`)
  const member = colleague.getByRole('listitem').filter({ hasText: 'Alice Archer' })
  await member.getByText('Not vouched for').waitFor()
  await colleague.goto(`${site.origin}/organizations/acme/audit`)
  await colleague.getByText('A provider no longer vouches for somebody').first().waitFor()

  // Verdicts are counted once a second.
  const counted = performance.now() + seconds(20)
  do {
    assert.ok(performance.now() < counted, 'the chart does not show it')
    await colleague.goto(`${site.origin}/organizations/acme/health`)
  } while ((await colleague.getByText('1 no longer true', { exact: true }).count()) === 0)

  // Signing in again takes the provider's word, and that is no.
  await signIn(page, 'Alice', '/login')
  await sees(page, 'The sign-in was cancelled')

  // Restored there, she comes back by signing in, and all is well again.
  site.provider.restore('alice')
  await signIn(page, 'Alice', '/account')
  await sees(page, 'Your account')
})
