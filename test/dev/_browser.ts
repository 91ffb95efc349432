/** A browser without a window: follows nothing by itself, keeps cookies by host and path. */
export interface Browser {
  get(url: string | URL): Promise<Response>
  /** Submits a form, by default one on a page of the same origin. */
  post(url: string | URL, form?: Form): Promise<Response>
  /** Follows redirects until an answer is none, or would leave `origin`; answers that response. */
  follow(response: Response, origin: string): Promise<Response>
}

/** What a form is submitted with. */
export interface Form {
  readonly fields?: Record<string, string>
  /** Where the browser says the form was. @default the origin it is sent to */
  readonly headers?: Record<string, string>
}

interface StoredCookie {
  readonly host: string
  readonly path: string
  readonly value: string
}

/** A browser with no cookies yet. Of the cookie attributes it knows `Path` and expiry in the past. */
export function createBrowser(): Browser {
  const cookies = new Map<string, StoredCookie>()

  async function request(url: URL, init: RequestInit): Promise<Response> {
    const headers = new Headers({ accept: 'text/html', ...(init.headers as object) })
    headers.set('cookie', cookiesFor(url))
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) store(url.hostname, line)
    return response
  }

  function cookiesFor(url: URL): string {
    const sent = [...cookies].filter(
      ([, { host, path }]) => host === url.hostname && within(path, url),
    )
    return sent.map(([key, { value }]) => `${key.split(' ', 1)[0]}=${value}`).join('; ')
  }

  function store(host: string, line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    const path = /; ?path=([^;]+)/i.exec(line)?.[1] ?? '/'
    const expires = /; ?expires=([^;]+)/i.exec(line)?.[1]
    const key = `${name} ${host}${path}`
    if (expires && Date.parse(expires) <= Date.now()) cookies.delete(key)
    else cookies.set(key, { host, path, value })
  }

  const browser: Browser = {
    get: (url) => request(new URL(url), {}),
    post(url, { fields = {}, headers = sameOrigin(new URL(url)) } = {}) {
      return request(new URL(url), { method: 'POST', headers, body: new URLSearchParams(fields) })
    },
    async follow(response, origin) {
      const location = response.headers.get('location')
      if (!location) return response
      const next = new URL(location, response.url)
      if (next.origin !== origin) return response
      await response.body?.cancel()
      return browser.follow(await browser.get(next), origin)
    },
  }
  return browser
}

function within(path: string, { pathname }: URL): boolean {
  return path === '/' || pathname === path || pathname.startsWith(`${path}/`)
}

function sameOrigin({ origin }: URL): Record<string, string> {
  return { origin, 'sec-fetch-site': 'same-origin' }
}
