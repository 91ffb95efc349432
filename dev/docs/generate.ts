import { mission, security } from './coverage.ts'
import { namedTests } from './named-tests.ts'
import { providerPages } from './providers.ts'
import {
  audit,
  configuration,
  decisionTable,
  endpoints,
  errorCodes,
  metricsPage,
} from './reference.ts'
import { prefixOf, readAllRows, type Rows } from './rows.ts'

/** The families of ids, such as `SES` and `S2`. */
export function familiesOf({ mission, security, scenarios }: Rows): ReadonlySet<string> {
  return new Set([...mission, ...security, ...scenarios].map(({ id }) => prefixOf(id)))
}

/** Every generated page, by its path in the project. */
export async function generateDocs(): Promise<Readonly<Record<string, string>>> {
  const rows = await readAllRows()
  const tests = await namedTests(familiesOf(rows))
  return {
    'docs/configuration.md': configuration(),
    'docs/errors.md': errorCodes(),
    'docs/http.md': endpoints(),
    'docs/audit.md': audit(),
    'docs/metrics.md': metricsPage(),
    'docs/decisions-table.md': decisionTable(),
    ...providerPages(),
    'docs/mission.md': mission(rows, tests),
    'docs/security.md': security(rows, tests),
  }
}
