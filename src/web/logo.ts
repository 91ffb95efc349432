import { raw } from 'hono/html'
import type { Endpoint } from '../http/exchange.ts'
import { asset } from './asset.ts'

/** Two doors in a row. Colours are attributes: the content security policy forbids styles. */
const drawing = `
  <rect width="32" height="32" rx="7" fill="#0f5c4c"/>
  <path d="M7.5 26.5V15a8.5 8.5 0 0 1 17 0v11.5" fill="none" stroke="#a5dccb" stroke-width="2.5"/>
  <path d="M12.5 26.5V16a3.5 3.5 0 0 1 7 0v10.5z" fill="#fff"/>
`

/** The logo as part of a page; the name stands beside it. */
export const logo: ReturnType<typeof raw> = raw(
  `<svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">${drawing}</svg>`,
)

const file = asset(
  'svg',
  'image/svg+xml',
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${drawing}</svg>`,
)

/** Where the icon for the browser's tab is. */
export const iconPath: string = file.path

/** `GET /assets/….svg`: the logo as a file. */
export const icon: Endpoint = file.endpoint
