import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'

/** The version of a peer that is installed. */
export function versionOf(name) {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')).version
}

/** Listens on a free port of loopback, and answers which. */
export function listening(server) {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address().port))
  })
}

/** The cookies that a `Response` sets, as the header that sends them back. */
export function cookiesOf(response) {
  return response.headers
    .getSetCookie()
    .map((line) => line.split(';', 1)[0])
    .join('; ')
}

/** Asks with each cookie in turn, so many at once, until the time is up; answers how often. */
export async function callInLoop({ cookies, seconds, atOnce }, prepare, ask) {
  const prepared = cookies.map(prepare)
  const end = performance.now() + seconds * 1000
  let calls = 0
  const caller = async () => {
    while (performance.now() < end) {
      for (let i = 0; i < 20; i++) await ask(prepared[calls++ % prepared.length])
      await setImmediate()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, caller))
  return calls
}

/** Lets one write wait until it is told to go on: what luck does in the field, done on purpose. */
export function barrier() {
  let key
  let arrive
  let go
  const gate = {
    reached: undefined,
    hold(wanted) {
      key = wanted
      gate.reached = new Promise((resolve) => (arrive = resolve))
      gate.released = new Promise((resolve) => (go = resolve))
    },
    isFor: (written) => key !== undefined && written === key,
    async pass() {
      key = undefined
      arrive()
      await gate.released
    },
    release: () => go(),
  }
  return gate
}
