import { test } from 'node:test'
import { choose, isSignedIn, sees, seesSignedIn, setStage } from './_visitor.ts'

const stage = setStage()

test('SEED-51 REV-12 ending other sessions an hour later: the provider asks once more, and the form goes on', async (t) => {
  const [here, there] = [await stage.visit(t), await stage.visit(t)]
  for (const page of [here, there]) await isSignedIn(page, stage.site, 'alice')
  const { db, node, clock } = stage.site.sallyport.services
  const authenticated_at = new Date(clock.now().getTime() - 60 * 60_000)
  await db.updateTable('sessions').set({ authenticated_at }).execute()
  node.memory.clear(node.memory.position)

  await here.goto('/account')
  await here.getByRole('button', { name: 'End all other sessions' }).click()
  await sees(here, 'Confirm it is you')
  await here.getByRole('button', { name: /^Continue with/ }).click()
  await choose(here, 'Alice')
  await sees(here, 'Go on where you were?')
  await here.getByText('End all your other sessions').waitFor()
  await here.getByRole('button', { name: 'Continue' }).click()
  await here.getByText('You are signed in nowhere else.').waitFor()
  await seesSignedIn(here, 'Alice Archer')
  await there.reload()
  await there.goto('/account')
  await there.getByRole('button', { name: /^Continue with/ }).waitFor()
})
