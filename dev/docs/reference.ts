import { auditActions } from '../../src/accounts/audit.ts'
import { settings } from '../../src/lib/config.ts'
import { errors } from '../../src/lib/errors.ts'
import { metrics } from '../../src/lib/metrics.ts'
import { routes } from '../../src/routes.ts'
import { decisions } from '../../src/sessions/decide.ts'
import { code, page, table } from './table.ts'

/** `docs/configuration.md`: every setting. */
export function configuration(): string {
  const rows = Object.values(settings).map(({ env, default: fallback, meaning }) => [
    code(env),
    fallback === null ? '–' : fallback === '' ? 'empty' : code(fallback),
    meaning,
  ])
  return page(
    'Configuration',
    '`settings` in `src/lib/config.ts`',
    'Settings come from the environment. An empty variable counts as not set. Everything that is wrong is told at once, ' +
      'and nothing starts. In production `SALLYPORT_URL` and `SALLYPORT_KEYS` must be set.',
    table(['variable', 'default', 'meaning'], rows),
  )
}

/** `docs/errors.md`: every error. */
export function errorCodes(): string {
  const rows = Object.entries(errors).map(([name, { status, title, advice }]) => [
    code(name),
    status,
    title,
    advice,
  ])
  return page(
    'Errors',
    '`errors` in `src/lib/errors.ts`',
    'People get a page with these words and a reference. Programs get a problem document (RFC 9457) with the members ' +
      '`type`, `title`, `status`, `detail`, `code`, `requestId`, and with every 401 `login_url`. The code is stable. ' +
      'The true reason is in the log and the audit, under the same reference; it is never sent.',
    table(['code', 'status', 'title', 'advice'], rows),
  )
}

/** `docs/http.md`: every endpoint. */
export function endpoints(): string {
  const rows = routes.map(({ method, path, access, csrf, body, cors }) => [
    method,
    code(path.replace(/^\/assets\/.*\./, '/assets/….')),
    access,
    csrf === 'none' ? '' : csrf,
    body === 'none' ? '' : body,
    cors ? 'yes' : '',
  ])
  return page(
    'HTTP',
    '`src/routes.ts`',
    'What is not here does not exist: an unknown path is 404, a known one with another method 405. `HEAD` answers like `GET`. ' +
      '*access* says who may call: everybody, a guest or a signed-in user, or a signed-in user only. *csrf* `same-origin` means only from our own pages. ' +
      '*body* `form` is `application/x-www-form-urlencoded`, at most 16 KiB; `json` is what the documentation of the endpoint says. ' +
      '*cors*: programs on the origins of `SALLYPORT_CORS_ORIGINS` may read the answer, whatever its status; nothing else ' +
      'ever sends a CORS header. The session cookie is `SameSite=Lax`: browsers send it from the same site only, so a ' +
      'program on a subdomain of the same site is signed in with its person, and one elsewhere is answered 401.',
    table(['method', 'path', 'access', 'csrf', 'body', 'cors'], rows),
  )
}

/** `docs/audit.md`: everything that is written down. */
export function audit(): string {
  const rows = Object.entries(auditActions).map(([action, meaning]) => [code(action), meaning])
  return page(
    'Audit',
    '`auditActions` in `src/accounts/audit.ts`',
    'Rows of the table `audit_events`. The database refuses to change or delete one. An event that tells of a change is ' +
      'written in the transaction of that change.',
    table(['action', 'when'], rows),
  )
}

/** `docs/metrics.md`: everything that is counted. */
export function metricsPage(): string {
  const rows = Object.values(metrics).map(({ name, type, labels, help }) => [
    code(name),
    type,
    labels.map(code).join(', '),
    help,
  ])
  return page(
    'Metrics',
    '`metrics` in `src/lib/metrics.ts`',
    'Every process counts for itself, from its start. `SALLYPORT_METRICS_PORT` makes `sallyport serve` answer ' +
      '`GET /metrics` on a port of its own, on loopback unless `SALLYPORT_METRICS_HOST` says otherwise, with those of ' +
      'Node.js and the process beside these (`nodejs_…`, `process_…`). With `--workers` each worker has its own port, ' +
      'counted from that one: collect all, and let Prometheus add them up. An application that holds a Sallyport ' +
      'itself has the same text in `await sallyport.metrics()`.',
    'With `STATSD_URL` they are sent every ten seconds over UDP: counters as what was added, gauges as they stand, the ' +
      'labels’ values after the name (`sallyport.outcomes_total.go:12|c`). Nobody waits for that, and what gets lost is lost.',
    'Labels take their values from the tables of the program: routes by their pattern, outcomes, actions. No name, id or ' +
      'address is among them. With `LOG_LEVEL=debug` every request’s own times are in its line of the log; they are ' +
      'never sent to whoever asked.',
    table(['metric', 'type', 'labels', 'what'], rows),
  )
}

/** `docs/decisions-table.md`: the sixteen rows, and the seventeenth. */
export function decisionTable(): string {
  const rows = Object.entries(decisions).flatMap(([facts, { row, variants }]) =>
    variants.map((variant) => [
      row,
      code(facts),
      condition(variant.when),
      variant.outcome,
      variant.standing,
      variant.cookies.join(', '),
      variant.session === 'none' ? '' : variant.session,
      variant.refuse ?? '',
      variant.audit ?? '',
    ]),
  )
  return page(
    'The decision on every request',
    '`decisions` in `src/sessions/decide.ts`',
    'Four facts, a dash means no or not known: **A**uthenticated (a provider has just vouched for somebody, or the session’s ' +
      'authentication is current), **R**egistered, in **S**ession, **P**rofile cookie. The browser’s cookie is never evidence: ' +
      'it changes wording, never rights. A row with several lines takes the first whose condition holds.',
    table(
      ['row', 'facts', 'if', 'outcome', 'acts as', 'cookies', 'session', 'refused with', 'audit'],
      [...rows, [17, '', '', 'store_unavailable', 'unavailable', '', '', '', 'store.unavailable']],
    ),
    'Row 17 has no facts: the database did not answer. The answer is 503, cookies stay as they are, and nobody becomes a guest. ' +
      'Row 16 cannot be observed; it behaves as row 12 and rings.',
  )
}

/** The condition of a line as it is written in the table: its name, or its expression. */
function condition(when: unknown): string {
  if (typeof when !== 'function') return ''
  const [, expression = ''] = String(when).split('=>')
  const written = when.name === 'when' ? expression.trim().replaceAll('(s)', '') : when.name
  return written
    .replaceAll(' && ', ' and ')
    .replaceAll(' || ', ' or ')
    .replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`)
}
