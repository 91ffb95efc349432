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

const sites = ['same-origin', 'same-site', 'cross-site', 'none']

/** Where a request says it came from, in one of a few words: what a header holds may be anything, and this is kept. */
export function siteOf(headers: Headers): string {
  const site = headers.get('sec-fetch-site')
  if (site === null) return 'no_origin'
  return sites.includes(site) ? site : 'unknown_site'
}
