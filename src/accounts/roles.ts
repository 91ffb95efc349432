import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import type { Claims } from '../providers/proof.ts'
import { prepared, type Db } from '../db/open.ts'
import { recordEvent } from './audit.ts'
import type { Role } from './organizations.ts'

/** What a provider may make of somebody. Nobody becomes an owner because a provider says so. */
export type GivenRole = Exclude<Role, 'owner'>

const givenRole = z.enum(['admin', 'member'], 'A rule gives the role admin or member.')

/** The name by which a rule asks for the groups, whatever the provider calls the claim. */
export const groupsClaim = 'groups'

const rule = z.strictObject({
  claim: z.string().min(1, 'Name the claim.').max(255, 'The claim’s name is too long.'),
  value: z.string().min(1, 'Say which value.').max(255, 'The value is too long.'),
  role: givenRole,
})

/** From a claim’s value to a role. A claim that lists several, such as groups, fits when one of them does. */
export type RoleRule = z.infer<typeof rule>

const roleRules = z.array(rule).max(50, 'There can be 50 rules.')

/**
 * Reads rules as an administrator has written them.
 * @throws AppError `config_rejected` with the member `problems`
 */
export function readRoleRules(rules: unknown): readonly RoleRule[] {
  const { data, error } = roleRules.safeParse(rules)
  if (data) return data
  const problems = error.issues.map(({ path: [index], message }) =>
    typeof index === 'number' ? `Rule ${index + 1}: ${message}` : message,
  )
  throw new AppError('config_rejected', { reason: 'role_rules', members: { problems } })
}

/** What rules come to for somebody. */
export interface RolePreview {
  /** Undefined: no rule fits, and the organization's default counts. */
  readonly role: GivenRole | undefined
  /** Which rule it was, counted from 0. */
  readonly rule: number | undefined
}

/** Which role rules give to somebody of whom a provider says this. The first rule that fits counts. */
export function previewRoles(rules: readonly RoleRule[], claims: Claims): RolePreview {
  const index = rules.findIndex(({ claim, value }) => valuesOf(claims, claim).includes(value))
  return index === -1
    ? { role: undefined, rule: undefined }
    : { role: rules[index]!.role, rule: index }
}

/** What a provider says of somebody, with the groups that its directory has them in. */
export function withGroups(claims: Claims, names: readonly string[]): Claims {
  return names.length === 0
    ? claims
    : { ...claims, groups: [...valuesOf(claims, groupsClaim), ...names] }
}

function valuesOf({ groups, raw = {} }: Claims, claim: string): readonly string[] {
  if (claim === groupsClaim && groups) return groups
  const value = Object.hasOwn(raw, claim) ? raw[claim] : undefined
  return typeof value === 'string' ? [value] : (value ?? [])
}

/** What an organization says of roles for whoever comes through one of its connections. */
export interface RolePolicy {
  readonly defaultRole: GivenRole
  readonly rules: readonly RoleRule[]
}

/**
 * Reads a connection's rules and its organization's default. What is stored is judged once more: a rule or a default
 * that gives more than a provider may give is not there.
 */
export async function readRolePolicy(db: Db, connectionId: string): Promise<RolePolicy> {
  const { role_rules, default_role } = await db
    .selectFrom('connections')
    .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
    .select(['connections.role_rules', 'organizations.default_role'])
    .where('connections.id', '=', connectionId)
    .modifyEnd(prepared('read_role_policy'))
    .executeTakeFirstOrThrow()
  const stored = Array.isArray(role_rules) ? role_rules : []
  return {
    defaultRole: givenRole.safeParse(default_role).data ?? 'member',
    rules: stored.map((each) => rule.safeParse(each).data).filter((each) => each !== undefined),
  }
}

/** Who changes a policy, for the audit. */
export interface PolicyActor {
  readonly organizationId: string
  readonly actorId: string
  readonly requestId?: string | undefined
}

/**
 * Saves the rules of one of an organization's connections. Answers whether there is such a connection.
 * @throws AppError `config_rejected`
 */
export async function saveRoleRules(
  tx: Db,
  { organizationId, actorId, requestId }: PolicyActor,
  { connectionId, rules }: { readonly connectionId: string; readonly rules: unknown },
  now: Date,
): Promise<boolean> {
  const read = readRoleRules(rules)
  if (!isId(connectionId)) return false
  const { numUpdatedRows } = await tx
    .updateTable('connections')
    .set({ role_rules: JSON.stringify(read) })
    .where('id', '=', connectionId)
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) return false
  const event = { organizationId, actorId, target: connectionId, requestId }
  const data = { setting: 'role_rules', rules: read.length }
  await recordEvent(tx, { action: 'connection.joining_changed', ...event, data }, now)
  return true
}
