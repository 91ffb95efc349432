import { parseArgs } from 'node:util'
import type { Environment } from '../lib/config.ts'
import { OperatorError } from '../lib/errors.ts'
import { nearest } from '../lib/spelling.ts'

/** One option of a command: `--name value`, or a bare `--name` for a boolean. */
export interface CommandOption {
  readonly type: 'string' | 'boolean'
  readonly required?: boolean
  /** May be given several times; the values come as lines of one text. */
  readonly multiple?: boolean
}

/** The options a command line gave. */
export type Values = Readonly<Record<string, string | boolean | undefined>>

/** One command of the program. */
export interface Command {
  /** How to call it, without the program's name. */
  readonly usage: string
  readonly meaning: string
  readonly options: Readonly<Record<string, CommandOption>>
  /** @throws OperatorError for what the operator can mend */
  run(values: Values, env: Environment): Promise<void>
}

/** Wrong arguments: exit code 2. */
export class UsageError extends OperatorError {}

/**
 * Reads a command's arguments.
 * @returns the options given; undefined when help was asked for
 * @throws UsageError naming everything that is wrong with them
 */
export function parse(command: Command, args: readonly string[]): Values | undefined {
  const options = { help: { type: 'boolean', short: 'h' }, ...command.options } as const
  const { values, tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })
  if (values['help']) return undefined
  const problems = tokens.flatMap((token) => problemOf(token, options) ?? [])
  const given = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []))
  const twice = new Set(
    given.filter((name, i) => given.indexOf(name) < i && !command.options[name]?.multiple),
  )
  problems.push(...[...twice].map((name) => `--${name} is given twice.`))
  const missing = Object.entries(command.options)
    .filter(([name, { required }]) => required && !given.includes(name))
    .map(([name]) => `--${name} is missing.`)
  problems.push(...missing)
  if (problems.length === 0) return joined(values)
  throw new UsageError(`${problems.join('\n')}\nUsage: sallyport ${command.usage}`)
}

function joined(values: Readonly<Record<string, unknown>>): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join('\n') : (value as Values[string]),
    ]),
  )
}

/** One part of a command line, as `parseArgs` tells it. */
type Token =
  | { readonly kind: 'option-terminator' }
  | { readonly kind: 'positional'; readonly value: string }
  | {
      readonly kind: 'option'
      readonly name: string
      /** As it was written, with its dashes. */
      readonly rawName: string
      readonly value: string | undefined
      /** Whether the value follows a `=`. */
      readonly inlineValue: boolean | undefined
    }

/** What is wrong with one part of a command line. */
function problemOf(
  token: Token,
  options: Readonly<Record<string, CommandOption>>,
): string | undefined {
  if (token.kind === 'option-terminator') return undefined
  if (token.kind === 'positional') return `"${token.value}" is one word too many.`
  const { name, rawName, value, inlineValue } = token
  if (!Object.hasOwn(options, name)) {
    const meant = nearest(name, Object.keys(options))
    return `There is no option ${rawName}${meant ? `; did you mean --${meant}?` : '.'}`
  }
  if (options[name]!.type === 'boolean')
    return inlineValue ? `${rawName} takes no value.` : undefined
  // The next option, most likely, because a value was forgotten.
  const looksLikeOption = !inlineValue && value?.startsWith('-')
  return !value?.trim() || looksLikeOption ? `${rawName} needs a value.` : undefined
}
