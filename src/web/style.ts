import type { Endpoint } from '../http/exchange.ts'
import { asset } from './asset.ts'

const stylesheet = `
:root { color-scheme: light dark; --ground: #f4f6f5; --card: #fff; --text: #17211d; --quiet: #54625c; --line: #d9dfdc;
  --edge: #77857e; --accent: #0f5c4c; --accent-hover: #0a4338; --on-accent: #fff; --danger: #a1231b; --mark: #e0efe9 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0f1412; --card: #181f1c; --text: #e8eeeb; --quiet: #a7b4ae; --line: #323c37;
    --edge: #7a8881; --accent: #6fd3b5; --accent-hover: #96e4cc; --on-accent: #06231b; --danger: #ff9d93; --mark: #1d3a31 }
}
*, ::before, ::after { box-sizing: border-box }
html { text-size-adjust: 100%; -webkit-text-size-adjust: 100% }
body { margin: 0; font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  color: var(--text); background: var(--ground); overflow-wrap: anywhere }
header { display: flex; flex-wrap: wrap; gap: 0 1rem; align-items: center; justify-content: space-between;
  margin: 0 auto; padding: .5rem 1rem }
header a { display: inline-flex; align-items: center; min-height: 2.75rem; color: inherit; text-decoration: none }
header a:hover { text-decoration: underline }
nav { display: flex; gap: 1.25rem; min-width: 0; color: var(--quiet); font-size: .9375rem }
.brand { gap: .625rem; font-size: 1.125rem; font-weight: 650; letter-spacing: -.01em }
.name { min-width: 0; max-width: 14rem }
.name bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
main { margin: 0 auto; padding: 0 1rem 3rem }
.wide > * { max-width: 52rem }
summary { cursor: pointer; padding: .125rem 0 }
ul > li details { margin: .125rem 0 0 }
.chart { display: block; width: 100%; height: auto; margin: .5rem 0 .25rem; font-size: 11px }
.chart text { fill: var(--quiet) }
.chart .axis { stroke: var(--line) }
.chart .ok { fill: var(--accent) }
.chart .refused { fill: var(--danger) }
.chart .doubt { fill: var(--edge) }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; color: var(--quiet); font-size: .9375rem }
.key::before { content: ""; display: inline-block; width: .75rem; height: .75rem; margin-right: .375rem; border-radius: .125rem;
  background: var(--accent) }
.key.refused::before { background: var(--danger) }
.key.doubt::before { background: var(--edge) }
.search { max-width: 28rem; margin-top: 1rem }
.joined { display: flex; gap: .5rem }
.joined > :is(input, select) { flex: 1; min-width: 0; margin: 0 }
.joined > button { width: auto; min-height: 0 }
.plain { list-style: disc; padding-left: 1.25rem }
.plain > li { display: list-item; padding: .125rem 0; border: 0 }
.tabs { flex-wrap: wrap; gap: 0 .875rem; margin: .5rem 0 0; border-bottom: 1px solid var(--line) }
.tabs > a { display: inline-flex; align-items: center; min-width: 1.5rem; min-height: 2.75rem; color: inherit; text-decoration: none;
  border-bottom: 2px solid transparent; margin-bottom: -1px }
.tabs > a:hover { text-decoration: underline }
.tabs > a[aria-current] { color: var(--text); font-weight: 600; border-color: var(--accent) }
.tabs > strong { flex: 1 0 100%; color: var(--text); font-size: 1rem }
.figures { display: flex; flex-wrap: wrap; gap: .75rem 2rem; margin: .75rem 0 }
.figures > div { display: flex; flex-direction: column-reverse }
.figures dt { color: var(--quiet); font-size: .9375rem }
.figures dd { margin: 0; font-size: 1.5rem; line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums }
.narrow { padding: clamp(0rem, 7vh, 5rem) 1rem 3rem }
.narrow > * { max-width: 28rem }
.narrow > header { padding: .5rem 0 }
.narrow > main, section { border: 1px solid var(--line); border-radius: .75rem; background: var(--card); padding: 1.75rem }
section { margin: 1.25rem 0; padding: 1.25rem 1.5rem }
h1 { margin: 0 0 .5rem; font-size: 1.625rem; line-height: 1.25; letter-spacing: -.015em }
.wide h1 { margin-top: 1.5rem }
h2 { margin: 0 0 .25rem; font-size: 1.125rem; line-height: 1.4 }
p { margin: 0 0 1rem }
:is(.narrow > main, section, li) > :last-child, li p { margin-bottom: 0 }
.lead { max-width: 38rem; font-size: 1.0625rem }
.quiet { color: var(--quiet); font-size: .9375rem }
.mark { display: inline-block; margin-left: .375rem; padding: 0 .5rem; border-radius: 1rem; background: var(--mark);
  font-size: .8125rem; font-weight: 500; white-space: nowrap }
li > .mark, p > .mark:first-child { margin-left: 0 }
.mark.danger { color: var(--danger); background: none; box-shadow: inset 0 0 0 1px }
.notice { border-left: 3px solid var(--accent); padding: .125rem 0 .125rem .75rem }
.notice > :last-child { margin-bottom: 0 }
div.notice { margin: .5rem 0 1rem }
ul { list-style: none; margin: .75rem 0 1rem; padding: 0 }
ul > li { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; justify-content: space-between;
  padding: .75rem 0; border-top: 1px solid var(--line) }
ul > li:last-child { padding-bottom: 0 }
ul > li > div { flex: 1 1 14rem; min-width: 0 }
ol { margin: .5rem 0 0; padding-left: 1.25rem }
ol > li { padding: .25rem 0 .25rem .25rem }
ol > li::marker { color: var(--quiet) }
dl { margin: .75rem 0 1rem }
dt { color: var(--quiet); font-size: .9375rem }
dd { margin: 0 0 .5rem; overflow-wrap: anywhere }
code { font: .9375em ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace }
pre { margin: .5rem 0; padding: .75rem 1rem; overflow-x: auto; border-radius: .5rem; background: var(--ground) }
a { color: var(--accent); text-underline-offset: .15em }
a:hover { color: var(--accent-hover) }
label { display: block; font-weight: 600 }
input, select, textarea, button, .button { width: 100%; min-height: 2.875rem; padding: .5rem 1rem; border: 1px solid var(--edge);
  border-radius: .5rem; font: inherit; line-height: 1.4; color: inherit; background: var(--card) }
input, select, textarea { margin: .25rem 0 .375rem; padding: .5rem .75rem }
textarea { min-height: 7rem; font: .9375em/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace }
fieldset { display: flex; flex-wrap: wrap; gap: 0 .75rem; margin: 0 0 .75rem; padding: 0; border: 0 }
fieldset > :is(input, select) { flex: 1 1 9rem; width: auto; min-width: 0 }
legend { padding: 0; color: var(--quiet); font-size: .9375rem }
summary { min-height: 2.75rem; padding: .625rem 0; cursor: pointer; color: var(--accent) }
h3 { margin: 1.25rem 0 .25rem; font-size: 1rem }
input:is([type="checkbox"], [type="radio"]) { width: 1.25rem; min-height: 1.25rem; flex: none; accent-color: var(--accent) }
.tick { display: flex; gap: .625rem; margin: 0 }
.tick > input { margin-top: .75rem }
.tick > label { flex: 1; padding: .625rem 0; font-weight: 400 }
button, .button { font-weight: 600; text-align: center; text-decoration: none; cursor: pointer }
.button { display: inline-flex; align-items: center; justify-content: center }
button:hover, .button:hover { border-color: currentColor; background: var(--ground) }
.primary, .primary:hover { border-color: var(--accent); color: var(--on-accent); background: var(--accent) }
.primary:hover { border-color: var(--accent-hover); background: var(--accent-hover) }
button.danger, .button.danger { color: var(--danger) }
button.plain { width: auto; min-height: 2.75rem; padding: 0; border: 0; font-weight: 400; color: var(--accent);
  background: none; text-decoration: underline; text-underline-offset: .15em }
:is(.wide, li) :is(button, .button) { width: auto }
form { margin: 0 0 .75rem }
li form { margin: 0 }
form > :is(input, select, textarea, button) + button, .also > form:first-child { margin-top: .75rem }
.row { display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: center; margin-bottom: 0 }
.row > a { display: inline-flex; align-items: center; min-height: 2.75rem }
.row > a[aria-current] { color: var(--text); font-weight: 600; text-decoration: none }
.row form { margin: 0 }
.also, .also:last-child { margin: 1.25rem 0 0; padding-top: .5rem; border-top: 1px solid var(--line) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .25rem }
:is(input, select, textarea, button, .button):focus-visible { border-radius: .5rem }
@media (min-width: 40rem) {
  .wide dl:not(.figures) { display: grid; grid-template-columns: 13rem 1fr; gap: .375rem 1rem }
  .wide dl:not(.figures) > dd { margin: 0 }
}
@media (max-width: 30rem) {
  .narrow { padding: 0 .75rem 2rem }
  .narrow > main, section { padding: 1.25rem 1.125rem }
  .wide > main { padding: 0 .75rem 2rem }
  .wide > header { padding: .5rem .75rem }
  .name { max-width: 9rem }
}
@media (forced-colors: active) { .primary { border-width: 2px } }
`

const file = asset('css', 'text/css; charset=utf-8', stylesheet)

/** Where the stylesheet is. */
export const stylesheetPath: string = file.path

/** `GET /assets/….css`: the one stylesheet. */
export const style: Endpoint = file.endpoint
