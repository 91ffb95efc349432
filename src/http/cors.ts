/** Headers of an answer that a program on another origin may read besides the ordinary ones. */
const exposed = 'retry-after, x-request-id'

/** Headers of a request that such a program may set. */
const accepted = 'accept, content-type, x-request-id'

/** How long a browser may remember a leave, in seconds. */
const rememberFor = '600'

/**
 * Gives a program on one of the allowed origins leave to read an answer, whatever its status, and says to caches that
 * it depends on who asks. Origins are compared whole; any other, `null` among them, is told nothing.
 * @param answer its headers, which are changed
 */
export function allowOrigin(answer: Headers, asked: Headers, allowed: readonly string[]): boolean {
  answer.append('vary', 'Origin')
  const origin = asked.get('origin')
  if (origin === null || !allowed.includes(origin)) return false
  answer.set('access-control-allow-origin', origin)
  answer.set('access-control-allow-credentials', 'true')
  answer.set('access-control-expose-headers', exposed)
  return true
}

/**
 * The answer to a browser that asks whether a program may ask (Fetch, "CORS-preflight fetch"). It comes without
 * cookies, so nobody is looked for.
 * @param methods what the path knows
 */
export function answerPreflight(
  asked: Headers,
  methods: readonly string[],
  allowed: readonly string[],
): Response {
  const response = new Response(null, { status: 204, headers: { allow: methods.join(', ') } })
  const { headers } = response
  if (!allowOrigin(headers, asked, allowed)) return response
  headers.append('vary', 'Access-Control-Request-Method, Access-Control-Request-Headers')
  headers.set('access-control-allow-methods', methods.join(', '))
  headers.set('access-control-allow-headers', accepted)
  headers.set('access-control-max-age', rememberFor)
  return response
}
