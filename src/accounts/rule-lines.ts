import { AppError } from '../lib/errors.ts'
import type { Claims } from '../providers/proof.ts'
import { groupsClaim, readRoleRules, type RoleRule } from './roles.ts'

/**
 * Rules as an administrator writes them, one a line: `admin: groups = Administrators`.
 * @throws AppError `config_rejected` with the member `problems`
 */
export function rulesFromLines(text: string): readonly RoleRule[] {
  const rules = linesOf(text).map((line, index) => {
    const [, role, claim, value] = /^([^:\s]+)\s*:\s*([^=]+?)\s*=\s*(.+)$/.exec(line) ?? []
    if (role) return { role, claim, value }
    const problems = [`Rule ${index + 1}: Write it like “admin: groups = Administrators”.`]
    throw new AppError('config_rejected', { reason: 'role_rules', members: { problems } })
  })
  return readRoleRules(rules)
}

/** The lines of {@link rulesFromLines}. */
export function linesFromRules(rules: readonly RoleRule[]): string {
  return rules.map(({ role, claim, value }) => `${role}: ${claim} = ${value}`).join('\n')
}

/** Claims to try rules with, one a line: `groups = Administrators`. A claim on several lines lists all of its values. */
export function claimsFromLines(text: string): Claims {
  const said = new Map<string, string[]>()
  for (const line of linesOf(text)) {
    const [, claim, value] = /^([^=]+?)\s*=\s*(.+)$/.exec(line) ?? []
    if (claim && value) said.set(claim, [...(said.get(claim) ?? []), value])
  }
  const groups = said.get(groupsClaim)
  return { ...(groups && { groups }), raw: Object.fromEntries(said) }
}

function linesOf(text: string): readonly string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter(Boolean)
}
