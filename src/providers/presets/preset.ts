import type { z } from 'zod'

/** What an administrator answered, by the name of the question; every required one is there. */
export type Answers = Readonly<Record<string, string | undefined>>

/** One thing an administrator fills in. */
export interface Question {
  /** Its name in a form, and at the command line. */
  readonly name: string
  readonly label: string
  /** Where to find it at the provider. */
  readonly help: string
  /** What an answer looks like; never a default. Empty where there is nothing to show. */
  readonly example: string
  /** Never shown again once it is saved. */
  readonly secret?: true
  /** May be left out. */
  readonly optional?: true
  /** Takes many lines. */
  readonly long?: true
  /** Makes the answer uniform, and says in a sentence what is wrong with it. */
  readonly read?: z.ZodType<string>
}

/** An address of ours that an administrator registers at the provider; each connection has its own. */
export type Place = 'redirectUri' | 'acsUrl' | 'entityId' | 'metadataUrl' | 'sloUrl'

/** One thing to do at the provider, in plain text. */
export interface GuideStep {
  readonly text: string
  /** What to copy from here into the provider's form; `field` is the form's own word. */
  readonly copy?: readonly { readonly field: string; readonly place: Place }[]
}

/** A provider that many organizations have: what to ask for, where to find it, and the settings that come of it. */
export interface Preset {
  /** What people call it. */
  readonly name: string
  /** The kind of provider whose settings it makes: a key of the table of kinds. */
  readonly kind: 'oidc' | 'oauth2' | 'saml'
  readonly asks: readonly Question[]
  /** What is wrong with the answers taken together: sentences that begin with a question's name. */
  readonly complaints?: (answers: Answers) => readonly string[]
  /**
   * The kind's settings from the answers. For SAML these are only the ones that the provider's metadata does not tell.
   * What is wrong with them is for the kind's own check to say.
   */
  readonly settings: (answers: Answers) => Readonly<Record<string, unknown>>
  readonly guide: readonly GuideStep[]
  /** Where its client secrets run out: how long they last, and where their end is shown. @default they do not */
  readonly secretEnds?: string
  /** What else an administrator should know, a sentence or two each. */
  readonly notes: readonly string[]
  /** What happens here when the provider lets somebody go. */
  readonly leaving: string
  /** The provider's own page about it. */
  readonly documentation: string
}
