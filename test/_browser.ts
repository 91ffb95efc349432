import { plant } from './_canaries.ts'

/** Answers requests, in memory or over a connection. */
export type Send = (request: Request) => Promise<Response>

/**
 * A browser as far as HTTP goes: keeps cookies for one origin, says where its requests come from, and does not
 * follow redirects by itself.
 */
export class Browser {
  readonly cookies: Map<string, string> = new Map()
  readonly origin: string
  readonly #send: Send

  constructor(origin: string, send: Send) {
    this.origin = origin
    this.#send = send
  }

  /** A person's navigation. */
  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.request(path, {
      headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate', ...headers },
    })
  }

  /** A form sent from our own page. */
  post(
    path: string,
    form: Record<string, string> = {},
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return this.request(path, {
      method: 'POST',
      body: new URLSearchParams(form).toString(),
      headers: {
        accept: 'text/html',
        'content-type': 'application/x-www-form-urlencoded',
        origin: this.origin,
        'sec-fetch-site': 'same-origin',
        'sec-fetch-mode': 'navigate',
        ...headers,
      },
    })
  }

  /** A script's request. */
  api(path: string, init: RequestInit = {}): Promise<Response> {
    return this.request(path, {
      ...init,
      headers: { accept: 'application/json', ...(init.headers as object) },
    })
  }

  async request(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.cookies.size > 0 && !headers.has('cookie')) headers.set('cookie', this.cookieHeader())
    const request = new Request(new URL(path, this.origin), {
      ...init,
      headers,
      redirect: 'manual',
    })
    const response = await this.#send(request)
    for (const line of response.headers.getSetCookie()) this.#keep(line)
    return response
  }

  cookieHeader(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** Another browser that has this one's cookies: what a thief has. */
  clone(): Browser {
    const copy = new Browser(this.origin, this.#send)
    for (const [name, value] of this.cookies) copy.cookies.set(name, value)
    return copy
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split('; ')
    const [name = '', value = ''] = pair.split(/=(.*)/s)
    plant(value)
    if (attributes.includes('Max-Age=0')) this.cookies.delete(name)
    else this.cookies.set(name, value)
  }
}

/** The address a page sends the browser to by itself. */
export function refreshOf(response: Response): URL {
  return new URL(/url=(.*)$/.exec(response.headers.get('refresh') ?? '')?.[1] ?? 'about:blank')
}
