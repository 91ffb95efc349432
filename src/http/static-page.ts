import { STATUS_CODES } from 'node:http'
import { securityHeaders } from './headers.ts'

/** Advice for the faults that a person can do something about; the others need none. */
const advice: Readonly<Record<number, string>> = {
  408: 'The request took too long to arrive. Try again.',
  414: 'The address is too long. Go back and follow the link once more.',
  431: 'Your browser sent more cookies than we can read, so we have asked it to drop them. Try again. If this page comes back, clear the cookies of this site in your browser’s settings.',
}

/**
 * A page that needs nothing: for requests that never became one, and for faults below everything else.
 * It says nothing about the request. 431 asks the browser to drop its cookies, since none of them can be read.
 */
export function staticPage(status: number): {
  readonly title: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
} {
  const title = STATUS_CODES[status]!
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1><p>${advice[status] ?? ''}</p></html>\n`
  return {
    title,
    headers: {
      ...securityHeaders,
      'cache-control': 'no-store',
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      ...(status === 431 && { 'clear-site-data': '"cookies"' }),
    },
    body,
  }
}
