import { createHash } from 'node:crypto'
import type { Endpoint } from '../http/exchange.ts'

/** A file of ours with an address that changes with its content, so that it can be kept for ever. */
export interface Asset {
  readonly path: string
  readonly endpoint: Endpoint
}

/** Makes an asset. @param name its extension, as in `css`, or a name and the extension, as in `passkeys.js` */
export function asset(name: string, type: string, content: string): Asset {
  const version = createHash('sha256').update(content).digest('base64url').slice(0, 10)
  const [extension, stem] = name.split('.').reverse()
  const headers = { 'content-type': type, 'cache-control': 'public, max-age=31536000, immutable' }
  return {
    path: `/assets/${stem ? `${stem}-` : ''}${version}.${extension}`,
    endpoint: () => new Response(content, { headers }),
  }
}
