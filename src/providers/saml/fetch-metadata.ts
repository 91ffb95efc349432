import { ask } from '../answer.ts'
import { refused, unavailable } from '../faults.ts'
import type { ProviderContext } from '../provider.ts'

/**
 * Fetches a metadata document, whatever media type it comes as: providers send all of them. Under every rule of the egress
 * client, 256 KiB at most.
 * @throws AppError `sso_unavailable` when there was no answer, `sso_failed` when it must not be read
 */
export async function fetchMetadata(url: string, context: ProviderContext): Promise<Uint8Array> {
  const headers = { accept: 'application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8' }
  const response = await ask('metadata', url, { headers }, context)
  const { status } = response
  if (status === 429 || status >= 500) throw unavailable(`metadata: status ${status}`)
  if (status !== 200) throw refused(`metadata: status ${status}`)
  return new Uint8Array(await response.arrayBuffer())
}
