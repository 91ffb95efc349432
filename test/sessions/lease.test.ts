import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { jumpAllowed, Lease, leaseFor, outlived } from '../../src/sessions/lease.ts'
import { MovedClocks } from './_members.ts'

describe('a lease', () => {
  let clocks: MovedClocks
  let lease: Lease

  beforeEach(() => {
    clocks = new MovedClocks({ monotonic: () => 1000, wall: () => 1_700_000_000_000 })
    lease = new Lease(clocks)
    lease.renew(lease.moment())
  })

  it('does not hold before the first renewal, nor after it was given up', () => {
    assert.equal(new Lease(clocks).holds(), false)
    assert.equal(lease.holds(), true)
    lease.end()
    assert.equal(lease.holds(), false)
  })

  it('runs from the beginning of the renewal, however long that took', () => {
    const began = lease.moment()
    clocks.pass(400)
    lease.renew(began)
    clocks.pass(leaseFor - 401)
    assert.equal(lease.holds(), true)
    clocks.pass(1)
    assert.equal(lease.holds(), false)
  })

  it('CLK-04 does not hold when only one of the machine’s clocks has moved: it was suspended, or its clock was set', () => {
    for (const jump of [3_600_000, leaseFor, jumpAllowed + 1, -jumpAllowed - 1, -3_600_000]) {
      lease.renew(lease.moment())
      clocks.setWall(jump)
      assert.equal(lease.holds(), false, `${jump} ms`)
      lease.renew(lease.moment())
      assert.equal(lease.holds(), true, 'the next renewal gives one again')
    }
    clocks.setWall(jumpAllowed)
    assert.equal(lease.holds(), true, 'clocks are never exactly alike')
  })

  it('a moment is outlived by either clock', () => {
    const began = lease.moment()
    clocks.pass(500)
    assert.equal(outlived(began, lease.moment(), 500), false)
    clocks.pass(1)
    assert.equal(outlived(began, lease.moment(), 500), true)
    const later = lease.moment()
    clocks.setWall(501)
    assert.equal(outlived(later, lease.moment(), 500), true)
    clocks.setWall(-1002)
    assert.equal(outlived(later, lease.moment(), 500), true)
  })
})
