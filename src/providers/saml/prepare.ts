import { AppError } from '../../lib/errors.ts'
import type { Drafted } from '../kind.ts'
import type { ProviderContext } from '../provider.ts'
import { fetchMetadata } from './fetch-metadata.ts'
import { keysIn, newKey } from './keys.ts'
import { readMetadata, type ReadMetadata } from './metadata.ts'

/**
 * Makes a connection's settings whole: with what the provider's metadata says, pasted or at its address, and with the
 * connection's own keys, of which the first is made here.
 * @throws AppError `config_rejected` with the member `problems`, plain sentences that begin with a question's name
 */
export async function prepareSaml(
  { settings, answers, before, organization }: Drafted,
  context: ProviderContext,
): Promise<unknown> {
  const read = await readProvider({ settings, answers }, context)
  if (read && !read.idp) throw rejected(read)
  const keys = keysIn(before)
  const own = keys.length > 0 ? keys : [await newKey(organization, 'current', context.clock.now())]
  return { ...settings, ...(read?.idp && { idp: read.idp }), keys: own }
}

/** What the provider's metadata says; undefined where everything was entered by hand. */
async function readProvider(
  { settings, answers }: Pick<Drafted, 'settings' | 'answers'>,
  context: ProviderContext,
): Promise<(ReadMetadata & { readonly of: string }) | undefined> {
  const entityId = answers['idpEntityId'] || undefined
  const how = { now: context.clock.now(), entityId }
  const pasted = answers['metadata']
  if (pasted) return { of: 'metadata', ...readMetadata(Buffer.from(pasted), how) }
  const { metadataUrl } = settings
  if (typeof metadataUrl !== 'string') return undefined
  return { of: 'metadataUrl', ...readMetadata(await fetched(metadataUrl, context), how) }
}

/** One sentence whatever the reason, so that saving settings says nothing about hosts and ports behind us. */
async function fetched(url: string, context: ProviderContext): Promise<Uint8Array> {
  try {
    return await fetchMetadata(url, context)
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    const problems = ['metadataUrl: The metadata cannot be fetched from there.']
    throw new AppError('config_rejected', {
      reason: thrown.reason,
      cause: thrown,
      members: { problems },
    })
  }
}

function rejected({ of, problems, choices }: ReadMetadata & { readonly of: string }): AppError {
  const which = choices.length > 1 ? ` It describes: ${choices.join(', ')}.` : ''
  const sentences = problems.map((problem, i) => `${of}: ${problem}${i === 0 ? which : ''}`)
  return new AppError('config_rejected', { reason: 'metadata', members: { problems: sentences } })
}
