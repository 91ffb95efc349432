import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../src/lib/errors.ts'
import { providerKinds, type ProviderKindName } from '../../src/providers/index.ts'
import { findPreset, presets, readAnswers, type Preset } from '../../src/providers/presets.ts'

/** Every question answered with its own example. */
function examples({ asks }: Preset): Record<string, string> {
  return Object.fromEntries(asks.map(({ name, example }) => [name, example || 'a-secret']))
}

function problemsOf(work: () => unknown): readonly string[] {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof AppError)
    assert.equal(error.code, 'config_rejected')
    return (error.members as { problems: string[] }).problems
  }
  return assert.fail('accepted')
}

for (const [key, preset] of Object.entries(presets)) {
  test(`S0-23 the settings of ${key}, filled in as its examples show, are such as its kind reads`, () => {
    const settings = readAnswers(preset, examples(preset))
    const { error } = providerKinds[preset.kind as ProviderKindName].config.safeParse(settings)
    assert.deepEqual(error?.issues ?? [], [])
  })

  test(`${key} says everything that is missing at once`, () => {
    const required = preset.asks.filter(({ optional }) => !optional).map(({ name }) => name)
    assert.deepEqual(
      problemsOf(() => readAnswers(preset, {})),
      required.map((name) => `${name}: Fill this in.`),
    )
  })
}

test('S0-23 SSO-151 a preset that there is not is not found, whatever its name', () => {
  for (const key of ['nobody', '', '__proto__', 'constructor'])
    assert.equal(findPreset(key), undefined)
  assert.equal(findPreset('okta'), presets.okta)
})

test('an Okta domain is cut out of what is pasted, and the console’s own address is refused', () => {
  for (const domain of ['acme.okta.com', 'https://acme.okta.com/', ' ACME.okta.com '])
    assert.equal(
      readAnswers(presets.okta, { ...examples(presets.okta), domain }).issuer,
      'https://acme.okta.com',
    )
  for (const domain of ['acme-admin.okta.com', 'acme', 'acme.okta.com:8443', 'a b.okta.com'])
    assert.match(
      problemsOf(() => readAnswers(presets.okta, { ...examples(presets.okta), domain }))[0]!,
      /^domain: Give your Okta domain/,
    )
})

test('SSO-143 one Google domain or several become the values of hd that will do', () => {
  const given = examples(presets.google)
  const several = readAnswers(presets.google, { ...given, domains: 'Acme.com,\nacme.example' })
  assert.deepEqual(several.requiredClaims, { hd: ['acme.com', 'acme.example'] })
  assert.deepEqual(several.authorizationParameters, { hd: '*' })
  const one = readAnswers(presets.google, given)
  assert.deepEqual(one.authorizationParameters, { hd: 'acme.com' })
  assert.match(
    problemsOf(() => readAnswers(presets.google, { ...given, domains: '@acme.com' }))[0]!,
    /^domains: /,
  )
})
