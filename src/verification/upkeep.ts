import { revoke } from '../sessions/revoke.ts'
import { releaseBrakes } from './brake.ts'
import { findOverdue } from './trouble.ts'
import { moveLink, type VerdictServices } from './verdict.ts'

/** What is due by itself: brakes whose reason has passed, and whoever nobody has been able to ask about for too long. */
export async function keepUp(services: VerdictServices, now: Date): Promise<void> {
  await releaseBrakes(services, now)
  let found: number
  do {
    found = await revoke(services, async (tx) => {
      const overdue = await findOverdue(tx, now)
      for (const { reason, ...identity } of overdue)
        await moveLink(tx, identity, { from: ['linked'], to: 'suspect', reason }, now)
      const targets = overdue.map(({ userId }) => ({ kind: 'user', id: userId }) as const)
      return { result: overdue.length, targets }
    })
  } while (found > 0)
}
