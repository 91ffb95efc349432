import { AppError } from '../lib/errors.ts'
import type { Claims } from '../providers/proof.ts'
import { groupsClaim, readRoleRules, type RoleRule } from './roles.ts'

/**
 * Rules as an administrator writes them, one a line: `admin: groups = Administrators`.
 * @throws AppError `config_rejected` with the member `problems`
 */
export function rulesFromLines(text: string): readonly RoleRule[] {
  const rules = linesOf(text).map((line, index) => {
    const [role, rest = ''] = cut(line, ':')
    const [claim, value] = cut(rest, '=')
    if (role && claim && value) return { role, claim, value }
    const problems = [`Rule ${index + 1}: Write it like “admin: groups = Administrators”.`]
    throw new AppError('config_rejected', { reason: 'role_rules', members: { problems } })
  })
  return readRoleRules(rules)
}

/** The lines of {@link rulesFromLines}. */
export function linesFromRules(rules: readonly RoleRule[]): string {
  return rules.map(({ role, claim, value }) => `${role}: ${claim} = ${value}`).join('\n')
}

const mostClaims = 200

/** Claims to try rules with, one a line: `groups = Administrators`. A claim on several lines lists all of its values. */
export function claimsFromLines(text: string): Claims {
  const said = linesOf(text)
    .slice(0, mostClaims)
    .map((line) => cut(line, '='))
    .filter((pair): pair is [string, string] => Boolean(pair[0] && pair[1]))
  const names = [...new Set(said.map(([claim]) => claim))]
  const raw = Object.fromEntries(
    names.map((name) => [name, said.filter(([claim]) => claim === name).map(([, value]) => value)]),
  )
  return { ...(Object.hasOwn(raw, groupsClaim) && { groups: raw[groupsClaim]! }), raw }
}

/** What stands before and after the first `mark`. */
function cut(line: string, mark: string): [string, string | undefined] {
  const at = line.indexOf(mark)
  return at === -1 ? [line, undefined] : [line.slice(0, at).trim(), line.slice(at + 1).trim()]
}

function linesOf(text: string): readonly string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter(Boolean)
}
