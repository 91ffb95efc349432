/**
 * Whether an unsafe request came from our own pages. A sibling subdomain does not count; neither does silence.
 * `Sec-Fetch-Site` decides where the browser sends it, else `Origin`, compared whole.
 */
export function fromOwnPages(headers: Headers, origin: string): boolean {
  const site = headers.get('sec-fetch-site')
  const from = headers.get('origin')
  if (site !== null && site !== 'same-origin') return false
  if (from !== null) return from === origin
  return site === 'same-origin'
}
