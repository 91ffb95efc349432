import { AppError } from '../lib/errors.ts'
import { github } from './presets/github.ts'
import { google } from './presets/google.ts'
import { okta } from './presets/okta.ts'
import type { Answers, Preset, Question } from './presets/preset.ts'

export type { Answers, GuideStep, Place, Preset, Question } from './presets/preset.ts'

export type PresetKey = 'google' | 'okta' | 'github'

/** Every provider that an administrator can choose from, in the order in which they are shown. */
export const presets: Readonly<Record<PresetKey, Preset>> = { google, okta, github }

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
  const answers: Record<string, string> = {}
  const problems: string[] = []
  for (const question of preset.asks) {
    const { answer, problem } = readAnswer(question, given[question.name])
    if (problem) problems.push(`${question.name}: ${problem}`)
    if (answer !== undefined) answers[question.name] = answer
  }
  if (problems.length > 0)
    throw new AppError('config_rejected', { reason: 'answers', members: { problems } })
  return preset.settings(answers satisfies Answers)
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
