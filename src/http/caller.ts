import type { Caller } from './exchange.ts'

/**
 * Whether a person's browser is navigating, a program is asking, or a browser asks leave for a program.
 * Browsers say so themselves (Fetch Metadata); older ones and tools are told apart by what they accept.
 */
export function callerOf(request: Pick<Request, 'method' | 'headers'>): Caller {
  if (request.method === 'OPTIONS') return 'preflight'
  const mode = request.headers.get('sec-fetch-mode')
  if (mode) return mode === 'navigate' ? 'navigation' : 'api'
  return request.headers.get('accept')?.includes('text/html') ? 'navigation' : 'api'
}
