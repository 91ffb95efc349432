import type { StoredSession } from '../sessions/lookup.ts'
import { asset } from './asset.ts'
import type { Endpoint } from '../http/exchange.ts'

/**
 * Tells the other tabs of this browser who is signed in here, by a handle and a name, and shows what they tell.
 * A page works without it: it only keeps somebody from going on as whom they no longer are.
 */
const script = `
const { session } = document.body.dataset
const name = document.querySelector('.name')?.textContent ?? ''
const channel = new BroadcastChannel('sallyport')
channel.onmessage = ({ data }) => {
  if (typeof data?.session !== 'string' || data.session === session) return
  document.getElementById('elsewhere')?.remove()
  const notice = document.createElement('p')
  notice.id = 'elsewhere'
  notice.className = 'notice'
  notice.setAttribute('role', 'status')
  const said = data.session ? 'You are now signed in as ' + data.name : 'You have signed out'
  const reload = document.createElement('a')
  reload.href = location.href
  reload.textContent = 'Reload this page'
  notice.append(said + ', in another tab. ', reload)
  document.querySelector('main').prepend(notice)
}
channel.postMessage({ session, name })
`

const file = asset('js', 'text/javascript; charset=utf-8', script)

/** Where the script is. */
export const tabsScriptPath: string = file.path

/** `GET /assets/….js`: the script by which tabs tell one another who is signed in. */
export const tabsScript: Endpoint = file.endpoint

/** Whose session a page shows, as the other tabs are told it: by its handle; empty for nobody's. */
export function tabOf(session: StoredSession | null): string {
  return session?.id ?? ''
}
