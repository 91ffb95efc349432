import type { Connection } from '../accounts/connections.ts'
import { placesOf } from '../flows/places.ts'
import { presetOf, readLatest, type SetUpServices } from '../flows/set-up.ts'
import { AppError } from '../lib/errors.ts'
import { knowSettings } from '../providers/index.ts'
import {
  findPreset,
  type GuideStep,
  type Place,
  type Preset,
  type Question,
} from '../providers/presets.ts'
import type { ReadableSetting } from '../providers/readable.ts'
import { html, type Html } from './page.ts'

/** What the form of a connection's settings shows again when something was wrong with it. */
export interface Refused {
  readonly problems: readonly string[]
  readonly given: Readonly<Record<string, string>>
}

/** The problems in an error that says so; whatever else was thrown goes on. */
export function problemsOf(thrown: unknown): readonly string[] {
  const { problems } = thrown instanceof AppError ? thrown.members : {}
  if (
    !(thrown instanceof AppError) ||
    thrown.code !== 'config_rejected' ||
    !Array.isArray(problems)
  )
    throw thrown
  return problems as readonly string[]
}

/** What to do at the provider, and the form for what it gives in return. */
export async function settingsForm(
  services: SetUpServices & { readonly origin: string },
  connection: Connection,
  { action, refused }: { readonly action: string; readonly refused?: Refused | undefined },
): Promise<Html> {
  const preset = presetOf(connection)
  if (!preset) throw new AppError('not_found', { reason: 'unknown_preset' })
  const answers = (await readLatest(services, connection)).answers ?? {}
  const places = placesOf(services.origin, connection.id)
  const name = calledBy(preset)
  return html`${guide(preset, name, places)}
    <section aria-labelledby="answers">
      <h2 id="answers">What ${name} gives you</h2>
      ${refused ? problemList(refused.problems) : ''}
      <form method="post" action="${action}">
        ${preset.asks.map((question) => field(question, refused?.given ?? answers, answers))}
        <button class="primary">Check and save</button>
      </form>
      <p class="quiet">Nothing is saved unless the provider answers as these settings say.</p>
    </section>
    ${
      preset.notes.length > 0
        ? html`<section aria-labelledby="notes">
            <h2 id="notes">Good to know</h2>
            ${preset.notes.map((note) => html`<p>${note}</p>`)}
            <p>${preset.leaving}</p>
            <p>
              <a href="${preset.documentation}" rel="noreferrer"
                >${name === preset.name ? html`${name}’s own page about it` : html`More about ${preset.name}`}</a
              >
            </p>
          </section>`
        : ''
    }`
}

/** Problems in plain sentences, for whoever reads the page by ear too. */
export function problemList(problems: readonly string[]): Html {
  return html`<div class="notice" role="alert">
    <p><strong>This cannot work yet.</strong> Nothing was saved; enter secrets again.</p>
    ${problems.map((problem) => html`<p><bdi>${problem}</bdi></p>`)}
  </div>`
}

/** What the page calls the provider: a preset that fits any provider has the name of a protocol. */
function calledBy(preset: Preset): string {
  return preset === findPreset(preset.kind) ? 'your provider' : preset.name
}

function guide(
  { guide: steps }: Preset,
  name: string,
  places: Readonly<Record<Place, string>>,
): Html {
  return html`<section aria-labelledby="guide">
    <h2 id="guide">What to do at ${name}</h2>
    <ol>
      ${steps.map((step) => guideStep(step, places))}
    </ol>
  </section>`
}

function guideStep({ text, copy = [] }: GuideStep, places: Readonly<Record<Place, string>>): Html {
  return html`<li>
    ${text}
    ${copy.map(
      ({ field: label, place }) =>
        html`<p class="quiet">${label}</p>
          <pre tabindex="0"><code>${places[place]}</code></pre>`,
    )}
  </li>`
}

function field(
  { name, label, help, example, secret, optional, long }: Question,
  values: Readonly<Record<string, string | undefined>>,
  saved: Readonly<Record<string, string | undefined>>,
): Html {
  const kept = secret === true && Boolean(saved[name])
  const value = secret ? '' : (values[name] ?? '')
  const required = optional || kept ? '' : html`required`
  const about = html`aria-describedby="${name}-help"`
  const plain = html`autocomplete="off" autocapitalize="off" spellcheck="false"`
  return html`<label for="${name}"
      >${label}${optional ? html` <span class="quiet">(optional)</span>` : ''}</label
    >
    ${
      long
        ? html`<textarea id="${name}" name="${name}" rows="5" ${plain} ${about} ${required}>
${value}</textarea>`
        : html`<input
            id="${name}"
            name="${name}"
            type="${secret ? 'password' : 'text'}"
            value="${value}"
            ${plain}
            ${about}
            ${required}
          />`
    }
    <p id="${name}-help" class="quiet">
      ${help}${example ? html` Such as <code>${example}</code>.` : ''}${
        kept ? ' One is saved; leave this empty to keep it.' : ''
      }
    </p>`
}

/** Settings as they were read, for whoever checks them. */
export function settingsSection(
  connection: Connection,
  { settings, published }: { readonly settings: unknown; readonly published?: unknown },
): Html {
  const known = knowSettings(connection.kind, settings)
  if (!known) return html`<p class="quiet">Nothing has been entered yet.</p>`
  return html`${readableList(known.readable)}
  ${
    published && Object.keys(published).length > 0
      ? html`<details>
          <summary>What the provider publishes</summary>
          ${readableList(publishedLines(published))}
        </details>`
      : ''
  }`
}

function readableList(lines: readonly ReadableSetting[]): Html {
  return html`<dl>
    ${lines.map(
      ({ name, value }) =>
        html`<dt>${name}</dt>
          <dd><bdi>${value}</bdi></dd>`,
    )}
  </dl>`
}

function publishedLines(published: unknown): readonly ReadableSetting[] {
  return Object.entries(published as object).map(([name, value]) => ({
    name: name.slice(0, 100),
    value: (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 500),
  }))
}
