import { providerKinds, type ProviderKindName } from '../../src/providers/index.ts'
import { presets, type GuideStep, type Place, type Preset } from '../../src/providers/presets.ts'
import { code, page, table } from './table.ts'

const source = '`src/providers/presets/`'

/** An address of a connection as it looks; `ID` stands for the connection's own. */
const places: Readonly<Record<Place, string>> = {
  redirectUri: 'https://app.example.com/sso/ID/callback',
  acsUrl: 'https://app.example.com/sso/ID/acs',
  entityId: 'https://app.example.com/sso/ID/metadata',
  metadataUrl: 'https://app.example.com/sso/ID/metadata',
  sloUrl: 'https://app.example.com/sso/ID/slo',
}

/** `docs/providers/`: a page for each preset, and the list of them. */
export function providerPages(): Readonly<Record<string, string>> {
  const rows = Object.entries(presets)
  return {
    'docs/providers/README.md': index(rows),
    ...Object.fromEntries(
      rows.map(([key, preset]) => [`docs/providers/${key}.md`, guideTo(key, preset)]),
    ),
  }
}

function index(rows: readonly (readonly [string, Preset])[]): string {
  return page(
    'Identity providers',
    source,
    'What an administrator does at each provider, and enters here. The same steps are shown where a connection is set up, ' +
      'with the addresses to copy.',
    table(
      ['provider', 'preset', 'protocol', 'who is let in'],
      rows.map(([key, preset]) => [
        `[${preset.name}](${key}.md)`,
        code(key),
        protocolOf(preset),
        pinOf(preset),
      ]),
    ),
    'A provider that is not here is connected as [OpenID Connect](oidc.md) or [SAML 2.0](saml.md); as [OAuth 2.0](oauth2.md) ' +
      'only if it speaks neither. A preset only saves work: it asks for less and fills in the rest.',
    'Whoever a provider lets through has then to be let in here too: by an invitation, or by the rules of the organization ' +
      'about who may join.',
  )
}

const pins: readonly { readonly asks: string; readonly words: string }[] = [
  { asks: 'domains', words: 'people of these Workspace domains' },
  { asks: 'tenant', words: 'people of this tenant' },
  { asks: 'organization', words: 'active members of this organization' },
  { asks: 'group', words: 'members of this group' },
]

function pinOf({ asks }: Preset): string {
  const pin = pins.find((one) => asks.some(({ name }) => name === one.asks))
  return pin?.words ?? 'whoever the provider lets through'
}

function protocolOf({ kind }: Preset): string {
  return providerKinds[kind as ProviderKindName].name
}

function guideTo(key: string, preset: Preset): string {
  const { name, asks, guide, notes, leaving, documentation } = preset
  return page(
    name,
    source,
    `Connecting an organization through ${name}, by ${protocolOf(preset)}. Begin in the organization’s settings: make a ` +
      `connection, and choose ${name}. Its page shows the addresses to copy. Here they are shown for ` +
      '`https://app.example.com`, with `ID` for the connection’s own id; no two connections share one.',
    '## At the provider',
    guide.map(step).join('\n'),
    `The provider’s own documentation: <${documentation}>`,
    '## Here',
    table(
      ['what', 'name', 'where to find it', 'example'],
      asks.map((ask) => [
        `${ask.label}${ask.optional ? ' (optional)' : ''}`,
        code(ask.name),
        ask.help,
        code(ask.example),
      ]),
    ),
    'Then make a test sign-in. It shows what the provider said, and what to mend if it failed. Nobody can use the ' +
      'connection before it is switched on.',
    'Or at the command line, where it is in use at once:',
    ['```sh', ...commandFor(key, preset), '```'].join('\n'),
    ...(notes.length > 0 ? ['## What to know', notes.map((note) => `- ${note}`).join('\n')] : []),
    '## When somebody leaves',
    `${leaving} ${between[preset.kind]}`,
  )
}

const byHand =
  'An administrator ends a session at once on the page Sessions of the organization, and so does `sallyport sessions end`.'

/** What is heard of somebody between two sign-ins. */
const between: Readonly<Record<Preset['kind'], string>> = {
  oidc: `Between two sign-ins the provider is asked again in the background, by the refresh token that it issued: whoever it no longer vouches for is out of the organization then. Where it issues none, a session goes on until its own end. ${byHand}`,
  oauth2: `Between two sign-ins the provider is asked again in the background, as long as the access token lasts that it issued. ${byHand}`,
  saml: `SAML has no way to ask in between: a session that is open by then goes on until its own end, or until the provider says that it is over (single logout). ${byHand}`,
}

function step({ text, copy = [] }: GuideStep, index: number): string {
  const copied = copy.map(({ field, place }) => `   - ${field}: \`${places[place]}\``)
  return [`${index + 1}. ${text}`, ...copied].join('\n')
}

function commandFor(key: string, { asks }: Preset): readonly string[] {
  const own = ['issuer', 'clientId', 'clientSecret']
  const answers = asks
    .filter(({ optional, name }) => !optional || name === 'metadataUrl')
    .map(({ name, example, long }) => {
      if (name === 'clientSecret') return '--secret-file ./secret'
      if (name === 'clientId') return `--client-id ${example}`
      if (own.includes(name)) return `--${name} ${example}`
      const value = long ? `@${name}.xml` : example
      return `--set ${name}=${/[\s&?]/.test(value) ? `'${value}'` : value}`
    })
  const words = [`npx sallyport connect --org acme --name SSO --preset ${key}`, ...answers]
  return words.map((word, i) => `${i === 0 ? '' : '  '}${word}${i < words.length - 1 ? ' \\' : ''}`)
}
