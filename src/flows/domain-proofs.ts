import {
  dropOldClaims,
  markChecked,
  takeDueDomains,
  type Checked,
} from '../accounts/domain-checks.ts'
import { findDomain, recordName, recordText, type Domain } from '../accounts/domains.ts'
import { findOrganizationById } from '../accounts/organizations.ts'
import { ownersAddresses } from '../accounts/owners.ts'
import type { Db } from '../db/open.ts'
import type { Resolver } from '../lib/dns.ts'
import type { Outbox } from '../mails/outbox.ts'

/** What proving domains takes. */
export interface DomainServices {
  readonly db: Db
  readonly origin: string
  readonly resolver: Resolver
  readonly sendMail: Outbox
}

/** Looks for a domain's record, writes down what came of it, and tells the owners of what they have to act on. */
export async function checkDomain(
  services: DomainServices,
  domain: Domain,
  now: Date,
): Promise<Checked> {
  // No transaction waits for a name server.
  const answer = await services.resolver.txt(recordName(domain.domain))
  return services.db.transaction().execute(async (tx) => {
    const { checked, tell } = await markChecked(tx, domain, answer, now)
    if (tell) await tellOwners(tx, services, domain)
    return checked
  })
}

/** As many domains are looked for at once; name servers are asked one after another. */
const atOnce = 10

/** Looks for the records of all domains that are due, and lets go of claims that nobody proves. */
export async function checkDueDomains(
  services: DomainServices,
  now: Date,
  signal?: AbortSignal,
): Promise<number> {
  await dropOldClaims(services.db, now)
  let checked = 0
  while (!signal?.aborted) {
    const due = await takeDueDomains(services.db, now, atOnce)
    if (due.length === 0) break
    await Promise.all(due.map((domain) => checkDomain(services, domain, now)))
    checked += due.length
  }
  return checked
}

async function tellOwners(
  tx: Db,
  { origin, sendMail }: DomainServices,
  { organizationId, id }: Domain,
): Promise<void> {
  const organization = await findOrganizationById(tx, organizationId)
  const domain = await findDomain(tx, organizationId, id)
  if (!organization || !domain) return
  const about = {
    origin,
    organization: organization.name,
    slug: organization.slug,
    domain: domain.domain,
  }
  const record = { name: recordName(domain.domain), text: recordText(domain.token) }
  for (const to of await ownersAddresses(tx, organizationId)) {
    if (domain.lostAt) {
      const lostAt = domain.lostAt.toISOString()
      await sendMail(tx, 'domain_missing', to, { ...about, ...record, lostAt })
    } else await sendMail(tx, 'domain_lost', to, about)
  }
}
