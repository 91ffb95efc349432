import { Resolver as Asking } from 'node:dns/promises'

/**
 * What a name's TXT records say, each record in its pieces (RFC 1035 §3.3.14). `none`: the name has none, by an answer
 * of the name servers. `unavailable`: nobody answered, which says nothing about the name.
 */
export type TxtAnswer = readonly (readonly string[])[] | 'none' | 'unavailable'

/** Who is asked for names. */
export interface Resolver {
  /** Never throws. */
  txt(name: string): Promise<TxtAnswer>
}

/** How a {@link Resolver} asks. */
export interface ResolverOptions {
  /** Name servers, as addresses with an optional port. @default those of the machine */
  readonly servers?: readonly string[]
  /** For one whole question, over all servers. @default 5000 */
  readonly deadlineMs?: number
}

/** Answers that are about the name, and not about who was asked (RFC 2308 §2). */
const denials: readonly unknown[] = ['ENODATA', 'ENOTFOUND']

/** Asks the machine's name servers, anew each time: nothing is remembered here. */
export function createResolver({
  servers = [],
  deadlineMs = 5000,
}: ResolverOptions = {}): Resolver {
  return {
    async txt(name) {
      // One for each question, because cancelling ends all questions of a resolver.
      const asking = new Asking({ timeout: Math.ceil(deadlineMs / 3), tries: 2 })
      if (servers.length > 0) asking.setServers(servers)
      const timer = setTimeout(() => asking.cancel(), deadlineMs)
      try {
        return await asking.resolveTxt(name)
      } catch (error) {
        return denials.includes((error as NodeJS.ErrnoException).code) ? 'none' : 'unavailable'
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
