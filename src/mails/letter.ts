import { html } from 'hono/html'
import type { Letter } from '../lib/mail.ts'

type Html = ReturnType<typeof html>

/** A paragraph, or the one thing to do. Both forms of a letter are made of the same parts, so they say the same. */
export type Part = string | { readonly button: string; readonly to: string }

/** One kind of mail. `Data` is plain JSON, because it waits in a queue. */
export interface Mail<Data> {
  subject(data: Data): string
  /** In order; no part repeats the subject. */
  parts(data: Data): readonly Part[]
  /** Invented, for the preview under `npm start` and for tests. */
  readonly example: Data
}

/** Names are shown as they are, and could turn the text around them (UTS #55 §3). */
const bidiControls = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Writes a letter: subject, plain text and HTML. */
export async function write<Data>(
  { subject, parts }: Mail<Data>,
  data: Data,
): Promise<Pick<Letter, 'subject' | 'text' | 'html'>> {
  const title = subject(data)
  const all = parts(data)
  const markup = await layout(title, all)
  return {
    subject: clean(title),
    text: clean(`${all.map(asText).join('\n\n')}\n`),
    html: clean(String(markup)),
  }
}

function clean(text: string): string {
  return text.replaceAll(bidiControls, '')
}

function asText(part: Part): string {
  return typeof part === 'string' ? part : `${part.button}:\n${part.to}`
}

/** Mail programs know little more than inline styles; colours are left to them, so that dark mode works. */
function layout(title: string, parts: readonly Part[]) {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
      </head>
      <body style="margin: 0; padding: 24px; font: 16px/1.5 system-ui, sans-serif">
        <div style="max-width: 32rem; margin: 0 auto">
          <p style="font-weight: 600">Sallyport</p>
          <h1 style="font-size: 22px; line-height: 1.3">${title}</h1>
          ${parts.map(asHtml)}
        </div>
      </body>
    </html>`
}

function asHtml(part: Part): Html {
  if (typeof part === 'string') return html`<p style="overflow-wrap: anywhere">${part}</p>`
  return html`<p>
      <a
        href="${part.to}"
        style="display: inline-block; padding: 12px 20px; border-radius: 8px; background: #0f5c4c; color: #ffffff; font-weight: 600; text-decoration: none"
        >${part.button}</a
      >
    </p>
    <p style="overflow-wrap: anywhere; font-size: 14px">
      Or open this address:<br />
      <a href="${part.to}">${part.to}</a>
    </p>`
}
