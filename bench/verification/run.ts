import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fillFigures } from '../document.ts'
import { busyNow, describeMachine } from '../machine.ts'
import { createProgress } from '../report.ts'
import { measureAllowances, measureClaim, measureOutage, measureRate } from './measure.ts'
import {
  drawVerification,
  printVerification,
  targetsOf,
  verificationTable,
  type VerificationResults,
} from './report.ts'
import { setStage, sizes } from './stage.ts'

const root = join(import.meta.dirname, '../..')

/**
 * Measures verification, prints the figures beside their targets, and keeps them with their chart. A full run into the
 * project's own folder is told in docs/performance.md, too.
 * @param out where to write. @default bench/results
 * @returns whether every target was met
 */
export async function runVerification(
  effort: 'full' | 'quick',
  out: string | undefined,
): Promise<boolean> {
  const [busyBefore, began] = [busyNow(), performance.now()]
  const results = await measure(effort, busyBefore, began)
  printVerification(results)
  const folder = out ?? join(root, 'bench/results')
  await mkdir(folder, { recursive: true })
  const name = join(folder, effort === 'full' ? 'verification' : 'verification-quick')
  await writeFile(`${name}.json`, `${JSON.stringify(results, null, 2)}\n`)
  await writeFile(`${name}.svg`, drawVerification(results))
  if (!out && effort === 'full')
    await fillFigures(join(root, 'docs/performance.md'), {
      verification: verificationTable(results),
    })
  return targetsOf(results).every(({ met }) => met)
}

async function measure(
  effort: 'full' | 'quick',
  busyBefore: number,
  began: number,
): Promise<VerificationResults> {
  const size = sizes[effort]
  const progress = createProgress(5)
  const { tell } = progress
  await using stage = await setStage(size, tell)
  progress.step()
  tell('finding due work')
  const claim = await measureClaim(stage, size)
  progress.step()
  tell('verifying as many as can be')
  const rate = await measureRate(stage, size)
  progress.step()
  tell('keeping to allowances')
  const allowances = await measureAllowances(stage, size)
  progress.step()
  const { outage, bounds } = await measureOutage(stage, size, tell)
  const { reuses } = await stage.provider.ask<{ reuses: number }>('refusals')
  progress.end()
  return JSON.parse(
    JSON.stringify(
      {
        date: new Date().toISOString(),
        effort,
        machine: describeMachine(stage.postgres, busyBefore),
        seconds: (performance.now() - began) / 1000,
        claim,
        rate,
        allowances,
        outage,
        bounds,
        reuses,
      } satisfies VerificationResults,
      (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(5)) : value),
    ),
  ) as VerificationResults
}
