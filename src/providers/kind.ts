import type { z } from 'zod'
import type { Provider, ProviderContext } from './provider.ts'

/** Everything known about one kind of provider. */
export interface ProviderKind<Config> {
  /** What people call it. */
  readonly name: string
  /** Reads the stored settings; its messages are for the administrator who enters them. */
  readonly config: z.ZodType<Config>
  /** Whose subjects its people are named by. A connection that people are linked through keeps it for ever. */
  issuerOf(config: Config): string
  /**
   * Makes settings whole that come of an administrator's answers: with what the provider publishes, with keys of our own.
   * @default the answers are all there is
   * @throws AppError as `checkConnection` does
   */
  prepare?(drafted: Drafted, context: ProviderContext): Promise<unknown>
  /**
   * What we publish about ourselves for a connection's provider to read, even while its settings are not complete.
   * @default nothing
   */
  publish?(settings: unknown, redirectUri: string): Published
  open(config: Config, context: ProviderContext): Provider
  /**
   * Asks the provider itself whether the settings can work. Asks anew, whatever was heard before.
   * @throws AppError as `begin` does
   */
  check(config: Config, context: ProviderContext): Promise<Checked>
}

/** Settings as they come of an administrator's answers. */
export interface Drafted {
  readonly settings: Readonly<Record<string, unknown>>
  readonly answers: Readonly<Record<string, string | undefined>>
  /** The settings that there were before, whatever state they were in. */
  readonly before: unknown
  /** The organization's name, for what is published in its name. */
  readonly organization: string
}

/** What a provider said when settings were checked. */
export interface Checked {
  /** What is wrong, in plain sentences that begin with a setting's name; empty when all is well. */
  readonly problems: readonly string[]
  /** What the provider publishes about itself, for display. */
  readonly published: Readonly<Record<string, unknown>>
}

/** A document of ours that anybody may read. */
export interface Published {
  /** Its media type. */
  readonly type: string
  readonly body: string
}
