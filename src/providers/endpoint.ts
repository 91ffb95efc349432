const loopback = ['127.0.0.1', '[::1]', 'localhost']

/** Whether a person or a secret may be sent to an address: https, or this very machine. */
export function isEndpoint(given: string): boolean {
  const url = URL.parse(given)
  if (!url || given.includes('#') || url.username || url.password) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && loopback.includes(url.hostname))
}

/** Whether a text can name a provider: a URL without a query or a fragment. */
export function isIssuer(issuer: string): boolean {
  const url = URL.parse(issuer)
  return url !== null && /^https?:$/.test(url.protocol) && !/[?#]/.test(issuer)
}
