import { test } from 'node:test'
import { pathOf, sees, seesSignedIn, setStage } from './_visitor.ts'
import assert from 'node:assert/strict'

const stage = setStage({ env: { SALLYPORT_PERSONAL_SIGN_IN: 'everybody' } })

test('somebody new signs in by mail, from the sign-in page to the mailbox and back', async (t) => {
  const page = await stage.visit(t)
  await page.goto('/login?return_to=%2Faccount')
  await page.getByRole('link', { name: 'Sign in by mail' }).click()
  await page.getByLabel('Your e-mail address').fill('nora@home.example')
  await page.getByRole('button', { name: 'Send me a link' }).click()
  await sees(page, 'Look into your mail')
  for (;;) {
    await page.goto('/dev/mailbox')
    if ((await page.getByText('nora@home.example').count()) > 0) break
  }
  await page.getByRole('link', { name: 'Read' }).first().click()
  await page.getByRole('link', { name: 'See it as a mail program shows it' }).click()
  await page.getByRole('link', { name: 'Sign in', exact: true }).click()
  await sees(page, 'Sign in')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByLabel('Your name').fill('Nora New')
  await page.getByRole('button', { name: 'Create account' }).click()
  await seesSignedIn(page, 'Nora New')
  assert.equal(pathOf(page), '/account')
  await page.getByText('nora@home.example').first().waitFor()
})

test('every mail there is can be looked at', async (t) => {
  const page = await stage.visit(t)
  await page.goto('/dev/mailbox')
  const templates = page.getByRole('region', { name: 'Every mail there is' })
  const links = await templates.getByRole('link', { name: 'Read' }).all()
  assert.ok(links.length >= 5)
  for (const href of await Promise.all(links.map((link) => link.getAttribute('href')))) {
    await page.goto(href!)
    await page.getByRole('heading', { name: 'As plain text' }).waitFor()
    await page.goto(`${href}/html`)
    await page.getByRole('heading', { level: 1 }).waitFor()
  }
})
