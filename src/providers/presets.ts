import { AppError } from '../lib/errors.ts'
import { auth0 } from './presets/auth0.ts'
import { entra, entraSaml } from './presets/entra.ts'
import { oauth2, oidc, saml } from './presets/generic.ts'
import { github } from './presets/github.ts'
import { gitlab } from './presets/gitlab.ts'
import { google, googleSaml } from './presets/google.ts'
import { jumpcloud, jumpcloudSaml } from './presets/jumpcloud.ts'
import { keycloak } from './presets/keycloak.ts'
import { okta, oktaSaml } from './presets/okta.ts'
import { onelogin, oneloginSaml } from './presets/onelogin.ts'
import { ping } from './presets/ping.ts'
import type { Preset, Question } from './presets/preset.ts'

export type { Answers, GuideStep, Place, Preset, Question } from './presets/preset.ts'

export type PresetKey =
  | 'google'
  | 'entra'
  | 'okta'
  | 'github'
  | 'gitlab'
  | 'onelogin'
  | 'jumpcloud'
  | 'auth0'
  | 'keycloak'
  | 'ping'
  | 'oidc'
  | 'oauth2'
  | 'saml'
  | 'entra-saml'
  | 'okta-saml'
  | 'google-saml'
  | 'onelogin-saml'
  | 'jumpcloud-saml'

/** Every provider that an administrator can choose from, in the order in which they are shown. */
export const presets: Readonly<Record<PresetKey, Preset>> = {
  google,
  entra,
  okta,
  github,
  gitlab,
  onelogin,
  jumpcloud,
  auth0,
  keycloak,
  ping,
  oidc,
  oauth2,
  saml,
  'entra-saml': entraSaml,
  'okta-saml': oktaSaml,
  'google-saml': googleSaml,
  'onelogin-saml': oneloginSaml,
  'jumpcloud-saml': jumpcloudSaml,
}

/** The preset with that key, if there is one. */
export function findPreset(key: string): Preset | undefined {
  return Object.hasOwn(presets, key) ? presets[key as PresetKey] : undefined
}

/**
 * The settings that come of an administrator's answers. They are not checked yet: that is for `checkConnection`.
 * @throws AppError `config_rejected` with the member `problems`, plain sentences that begin with a question's name
 */
export function readAnswers(
  preset: Preset,
  given: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, unknown>> {
  const answers: Record<string, string | undefined> = {}
  const problems: string[] = []
  for (const question of preset.asks) {
    const { answer, problem } = readAnswer(question, given[question.name])
    if (problem) problems.push(`${question.name}: ${problem}`)
    if (answer !== undefined) answers[question.name] = answer
  }
  if (problems.length === 0) problems.push(...(preset.complaints?.(answers) ?? []))
  if (problems.length > 0)
    throw new AppError('config_rejected', { reason: 'answers', members: { problems } })
  return preset.settings(answers)
}

function readAnswer(
  { optional, read }: Question,
  given = '',
): { answer?: string; problem?: string } {
  const text = given.trim()
  if (text === '') return optional ? {} : { problem: 'Fill this in.' }
  const { success, data, error } = read?.safeParse(text) ?? { success: true, data: text }
  return success ? { answer: data } : { problem: error?.issues[0]?.message ?? 'This is not right.' }
}
