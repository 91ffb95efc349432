import { createInvitation } from '../accounts/invitations.ts'
import {
  createOrganization,
  findOrganization,
  type Organization,
} from '../accounts/organizations.ts'
import type { Db } from '../db/open.ts'
import type { Environment } from '../lib/config.ts'
import { OperatorError } from '../lib/errors.ts'
import { closeOrganization } from '../sessions/closing.ts'
import { ssoRequiredSince, stopRequiringSso } from '../sessions/requiring.ts'
import type { Values } from './command.ts'
import { withServices } from './sessions.ts'

/** Makes an organization, and the invitation by which its first owner comes in. */
export function addOrganization(values: Values, env: Environment): Promise<void> {
  return withServices(env, async ({ db, clock, origin }) => {
    const [slug, address] = [String(values['slug']), String(values['owner'])]
    const name = String(values['name'] ?? slug)
    const made = await db.transaction().execute(async (tx) => {
      const now = clock.now()
      const { id: organizationId } = await createOrganization(tx, { slug, name }, now)
      const invited = { organizationId, address, role: 'owner', invitedBy: null } as const
      const invitation = await createInvitation(tx, invited, now)
      if ('refused' in invitation)
        throw new OperatorError(`"${address}" is no mail address: give the first owner's.`)
      return invitation
    })
    console.log(`"${name}" is there. Pass this link on to ${address}, who owns it then:`)
    console.log(`${origin}/invitations/${made.token}`)
    console.log(`It is good until ${made.expiresAt.toISOString()}, and shown only now.`)
  })
}

/** Deletes an organization for good. */
export function deleteOrganization(values: Values, env: Environment): Promise<void> {
  return withServices(env, async (services) => {
    const { id, name } = await named(services.db, values)
    await closeOrganization(services, id, {}, services.clock.now())
    console.log(`"${name}" is deleted. Nobody gets in there any more.`)
  })
}

/** The way past a broken sign-in that the operator has, and nobody else. */
export function unrequireSso(values: Values, env: Environment): Promise<void> {
  return withServices(env, async (services) => {
    const { id, name } = await named(services.db, values)
    const required = await ssoRequiredSince(services.db, id)
    if (!required) throw new OperatorError(`"${name}" requires no sign-in of its own.`)
    await stopRequiringSso(services, id, {}, services.clock.now())
    console.log(`Members of "${name}" get in by themselves again.`)
  })
}

async function named(db: Db, values: Values): Promise<Organization> {
  const slug = String(values['slug'])
  const organization = await findOrganization(db, slug)
  if (!organization) throw new OperatorError(`There is no organization "${slug}".`)
  return organization
}
