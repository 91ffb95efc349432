import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import type { Page } from 'playwright-core'
import type { Endpoint, Route } from '../../src/http/exchange.ts'
import { buttonForm, html, page as pageOf, seeOther } from '../../src/web/page.ts'
import { choose, pathOf, sees, setStage, signIn } from './_visitor.ts'

/** The application: a cart, for guests and people alike. */
const show: Endpoint = async ({ services, asker }) => {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from carts where owner = ${asker.session!.person.id}`.execute(
    services.db,
  )
  return pageOf(
    { title: 'Cart' },
    html`<h1>Cart</h1>
      <p>${rows[0]!.n} apples</p>
      ${buttonForm('/cart', 'Add an apple')}`,
  )
}
const add: Endpoint = async ({ services, asker }) => {
  await sql`insert into carts values (${asker.session!.person.id})`.execute(services.db)
  return seeOther('/cart')
}
const cart = { path: '/cart', access: 'guest' } as const
const routes: readonly Route[] = [
  { ...cart, method: 'GET', csrf: 'none', body: 'none', endpoint: show },
  { ...cart, method: 'POST', csrf: 'same-origin', body: 'form', endpoint: add },
]

const stage = setStage({
  env: { SALLYPORT_GUESTS: 'on' },
  routes,
  guests: {
    describe: async (id) => {
      const { db } = stage.site.sallyport.services
      const { rows } = await sql`select from carts where owner = ${id}`.execute(db)
      return `${rows.length} apples`
    },
    claim: (tx, guestId, userId) =>
      tx.query('update carts set owner = $2 where owner = $1', [guestId, userId]),
  },
})

/** Comes to the cart, goes on as a guest, and puts three apples in. */
async function shop(page: Page): Promise<void> {
  const { db } = stage.site.sallyport.services
  await sql`create table if not exists carts (owner uuid)`.execute(db)
  await page.goto('/cart')
  assert.equal(pathOf(page), '/login?return_to=%2Fcart')
  await page.getByText(/^What you do as a guest is in this browser only/).waitFor()
  await page.getByRole('button', { name: 'Continue as a guest' }).click()
  for (let i = 0; i < 3; i++) {
    await page.getByText(`${i} apples`).waitFor()
    await page.getByRole('button', { name: 'Add an apple' }).click()
  }
  await page.getByText('3 apples').waitFor()
}

test('SEED-52 S3-18b a guest who registers still has their work', async (t) => {
  const page = await stage.visit(t)
  await shop(page)
  await page.goto('/login?return_to=/cart')
  await page.getByText('You are a guest here.').waitFor()
  await page.getByRole('button', { name: /^Continue with/ }).click()
  await choose(page, 'Erin')
  await sees(page, 'Create your account')
  assert.equal(await page.getByLabel('Your name').inputValue(), 'Erin Ellis')
  assert.equal(await page.getByLabel('Take 3 apples with me').isChecked(), true)
  await page.getByLabel('Your name').fill('Erin E. Ellis')
  await page.getByRole('button', { name: 'Create account' }).click()
  await sees(page, 'Cart')
  await page.getByText('3 apples').waitFor()
  await page.goto('/account')
  await page.getByRole('main').getByText('Erin E. Ellis').waitFor()
})

test('SEED-56 a guest who signs in to their account has their work after a yes', async (t) => {
  const page = await stage.visit(t)
  await shop(page)
  await signIn(page, 'Alice', '/login?return_to=/cart')
  await sees(page, 'Take your work with you?')
  await page.getByText('Take 3 apples with you?').waitFor()
  await page.getByRole('button', { name: 'Yes, add it to my account' }).click()
  await sees(page, 'Cart')
  await page.getByText('3 apples').waitFor()

  const again = await stage.visit(t)
  await shop(again)
  await signIn(again, 'Alice', '/login?return_to=/cart')
  await again.getByRole('button', { name: 'No, leave it behind' }).click()
  await sees(again, 'Cart')
  await again.getByText('3 apples').waitFor()
})
