import type { RequestListener } from 'node:http'
import { toListener, type Answer } from '../server.ts'

/** Sallyport's own pages as a listener for `http.createServer`. */
export function toNodeListener(sallyport: { readonly fetch: Answer }): RequestListener {
  return toListener(sallyport.fetch)
}
