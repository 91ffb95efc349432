import type { z } from 'zod'
import type { Provider, ProviderContext } from './provider.ts'

/** Everything known about one kind of provider. */
export interface ProviderKind<Config> {
  /** What people call it. */
  readonly name: string
  /** Reads the stored settings; its messages are for the administrator who enters them. */
  readonly config: z.ZodType<Config>
  open(config: Config, context: ProviderContext): Provider
  /**
   * Asks the provider itself whether the settings can work. Asks anew, whatever was heard before.
   * @throws AppError as `begin` does
   */
  check(config: Config, context: ProviderContext): Promise<Checked>
}

/** What a provider said when settings were checked. */
export interface Checked {
  /** What is wrong, in plain sentences that begin with a setting's name; empty when all is well. */
  readonly problems: readonly string[]
  /** What the provider publishes about itself, for display. */
  readonly published: Readonly<Record<string, unknown>>
}
