import { createHash } from 'node:crypto'
import type { Endpoint } from '../http/exchange.ts'

const stylesheet = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 40rem; padding: 1rem }
`

const version = createHash('sha256').update(stylesheet).digest('base64url').slice(0, 10)

/** Where the stylesheet is; the address changes with its content, so that it can be kept for ever. */
export const stylesheetPath: string = `/assets/${version}.css`

/** `GET /assets/…`: the one stylesheet. */
export const style: Endpoint = () =>
  new Response(stylesheet, {
    headers: {
      'content-type': 'text/css; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
    },
  })
