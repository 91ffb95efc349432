import type { Endpoint, Exchange, Route } from '../../src/http/exchange.ts'
import { AppError } from '../../src/lib/errors.ts'
import { browserMaxAge, clearCookie, setCookie } from '../../src/sessions/cookies.ts'
import { assertOurs, assertPressed, callerIn } from '../autosession/routes.ts'
import type { Jar, Running } from '../autosession/sign-in.ts'
import { states } from './enter.ts'
import { enteredPage, statesPage } from './page.ts'
import { previewOf } from './preview.ts'
import { setStage } from './stage.ts'

/** `/dev/states`: puts this browser into any state of the decision, says what the next request will meet, and lets it be tried. */
export function statesRoutes(running: () => Running): readonly Route[] {
  const list: Endpoint = (exchange) => {
    assertOurs(exchange, running())
    return statesPage(exchange.asker, running().permit.token)
  }
  const enter: Endpoint = async (exchange) => {
    assertPressed(exchange, running())
    const state = states.find(({ name }) => name === exchange.params['state'])
    if (!state || typeof state.enter === 'string')
      throw new AppError('not_found', { reason: 'no_such_state' })
    const entered = await state.enter(setStage(running(), callerIn(exchange)))
    const preview = await previewOf(running(), entered)
    const page = await enteredPage(state, entered, preview)
    for (const cookie of cookiesFor(exchange, entered.jar))
      page.headers.append('set-cookie', cookie)
    return page
  }
  const open = { access: 'public', hint: true } as const
  return [
    { ...open, method: 'GET', path: '/dev/states', csrf: 'none', body: 'none', endpoint: list },
    {
      ...open,
      method: 'POST',
      path: '/dev/states/:state',
      csrf: 'same-origin',
      body: 'form',
      endpoint: enter,
    },
  ]
}

/** Makes a browser's cookies those of the jar, and no others. */
function cookiesFor({ services: { cookies } }: Exchange, jar: Jar): readonly string[] {
  return [
    jar.session === null
      ? clearCookie(cookies, 'session')
      : setCookie(cookies, 'session', jar.session),
    jar.browser === null
      ? clearCookie(cookies, 'browser')
      : setCookie(cookies, 'browser', jar.browser, browserMaxAge),
  ]
}
