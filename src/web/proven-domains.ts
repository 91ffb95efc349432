import { listDomains } from '../accounts/domains.ts'
import type { Db } from '../db/open.ts'
import { html, type Html } from './page.ts'

const shownAtMost = 3

/**
 * The domains that an organization has proven to be its own, to stand beside its name: two names can look alike, and
 * anybody can take one.
 */
export async function provenDomains(db: Db, organizationId: string): Promise<Html | ''> {
  const domains = await listDomains(db, organizationId)
  const proven = domains.filter(({ state }) => state === 'proven').slice(0, shownAtMost)
  if (proven.length === 0) return ''
  return html`, which owns
  ${proven.map(({ domain }, i) => html`${i > 0 ? ', ' : ''}<code>${domain}</code>`)}`
}
