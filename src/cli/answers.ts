import { readFileSync } from 'node:fs'
import { AppError } from '../lib/errors.ts'
import { nearest } from '../lib/spelling.ts'
import { findPreset, presets, readAnswers, type Preset } from '../providers/presets.ts'
import { UsageError, type Values } from './command.ts'

/** What a command line says of a connection: the preset, the answers, and the settings that come of them. */
export interface Answered {
  readonly preset: Preset
  readonly answers: Readonly<Record<string, string | undefined>>
  readonly settings: Readonly<Record<string, unknown>>
}

/** Questions that have an option of their own. */
const options: Readonly<Record<string, string>> = {
  issuer: '--issuer',
  clientId: '--client-id',
  clientSecret: '--secret-file',
}

/**
 * Reads the answers to a preset's questions: `--issuer`, `--client-id`, `--secret-file`, and any other by `--set`.
 * @throws UsageError naming what is missing, wrong, or asked for by another preset
 */
export function readAnswerOptions(values: Values): Answered {
  const preset = choose(String(values['preset'] ?? 'oidc'))
  const answers: Record<string, string | undefined> = Object.fromEntries(
    [...ownOptions(values), ...setOptions(values)].filter(([, answer]) => answer !== undefined),
  )
  const asked = preset.asks.map(({ name }) => name)
  const foreign = Object.keys(answers).filter((name) => !asked.includes(name))
  if (foreign.length > 0) {
    const named = (names: readonly string[]) => names.map(optionOf).join(', ')
    throw new UsageError(
      `${preset.name} does not ask for ${named(foreign)}. It asks for ${named(asked)}.`,
    )
  }
  return { preset, answers, settings: settingsOf(preset, answers) }
}

function choose(key: string): Preset {
  const preset = findPreset(key)
  if (preset) return preset
  const keys = Object.keys(presets)
  const meant = nearest(key, keys)
  throw new UsageError(
    `There is no preset "${key}"${meant ? `; did you mean ${meant}?` : '.'} Choose from ${keys.join(', ')}.`,
  )
}

type Answer = readonly [name: string, answer: string | undefined]

function ownOptions(values: Values): readonly Answer[] {
  const file = values['secret-file']
  return [
    ['issuer', textOf(values['issuer'])],
    ['clientId', textOf(values['client-id'])],
    [
      'clientSecret',
      file === undefined ? undefined : readAnswerFile('--secret-file', String(file)),
    ],
  ]
}

function textOf(value: Values[string]): string | undefined {
  return value === undefined ? undefined : String(value)
}

/** The answers of `--set name=value` and, for what has many lines, `--set name=@file`. */
function setOptions({ set }: Values): readonly Answer[] {
  const lines = set === undefined ? [] : String(set).split('\n')
  const given = lines.map((line) => {
    const [, name = '', value = ''] = /^([A-Za-z]+)=(.+)$/.exec(line) ?? []
    if (name === '') throw new UsageError('--set takes a name and a value: --set tenant=…')
    // A list of processes would show it.
    if (name === 'clientSecret') throw new UsageError('Give the secret in a file: --secret-file.')
    return [
      name,
      value.startsWith('@') ? readAnswerFile(`--set ${name}`, value.slice(1)) : value,
    ] as const
  })
  const twice = given.find(([name], i) => given.findIndex(([other]) => other === name) < i)
  if (twice) throw new UsageError(`${optionOf(twice[0])} is given twice.`)
  return given
}

function readAnswerFile(option: string, file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`${option} cannot be read: ${(error as Error).message}`)
  }
  if (text === '') throw new UsageError(`${option}: ${file} is empty.`)
  return text
}

function settingsOf(preset: Preset, answers: Answered['answers']): Answered['settings'] {
  try {
    return readAnswers(preset, answers)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const problems = error.members['problems'] as readonly string[]
    throw new UsageError(problems.map(inOptions).join('\n'))
  }
}

/** A problem in the words of a command line. */
function inOptions(problem: string): string {
  const colon = problem.indexOf(': ')
  const [name, said] = [problem.slice(0, colon), problem.slice(colon + 2)]
  return said === 'Fill this in.' ? `${optionOf(name)} is missing.` : `${optionOf(name)}: ${said}`
}

function optionOf(name: string): string {
  return options[name] ?? `--set ${name}=…`
}
