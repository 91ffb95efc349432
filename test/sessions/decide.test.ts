import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { admit } from '../../src/sessions/access.ts'
import { decide, decisions, type Outcome } from '../../src/sessions/decide.ts'
import { project, type Facts, type RichState } from '../../src/sessions/state.ts'

const sessions: RichState['session'][] = [
  'absent',
  'malformed',
  'unknown',
  'expired',
  'revoked',
  'superseded',
  'locked',
  'guest',
  'user-lapsed',
  'user-current',
  'store-down',
]
const registrations: RichState['registration'][] = [
  'unknown',
  'unregistered',
  'pending',
  'active',
  'disabled',
  'merged',
  'deleted',
]
const hints: RichState['hint'][] = [
  'absent',
  'bad',
  'anonymous',
  'same-user',
  'other-user',
  'deleted-user',
]
const events: RichState['event'][] = ['request', 'login', 'link', 'reauth', 'switch']

const everyState: readonly RichState[] = sessions.flatMap((session) =>
  registrations.flatMap((registration) =>
    hints.flatMap((hint) => events.map((event) => ({ session, registration, hint, event }))),
  ),
)

const request = {
  session: 'absent',
  registration: 'unknown',
  hint: 'absent',
  event: 'request',
} as const

/** Each row as the seed numbers it, with a state that leads there. */
const rows: readonly [row: number, facts: Facts, outcome: Outcome, state: RichState][] = [
  [
    1,
    'ARSP',
    'go',
    { ...request, session: 'user-current', registration: 'active', hint: 'same-user' },
  ],
  [2, 'ARS-', 'go_set_hint', { ...request, session: 'user-current', registration: 'active' }],
  [
    3,
    'AR-P',
    'start_session',
    { ...request, registration: 'active', hint: 'other-user', event: 'login' },
  ],
  [4, 'AR--', 'start_session_new_device', { ...request, registration: 'active', event: 'login' }],
  [
    5,
    'A-SP',
    'conflict_live_session',
    {
      ...request,
      session: 'user-current',
      registration: 'unregistered',
      hint: 'same-user',
      event: 'login',
    },
  ],
  [
    6,
    'A-S-',
    'conflict_live_session_no_hint',
    { ...request, session: 'user-current', registration: 'unregistered', event: 'login' },
  ],
  [
    7,
    'A--P',
    'unknown_identity_known_browser',
    { ...request, registration: 'unregistered', hint: 'anonymous', event: 'login' },
  ],
  [8, 'A---', 'register', { ...request, registration: 'unregistered', event: 'login' }],
  [9, '--SP', 'guest_go', { ...request, session: 'guest', hint: 'same-user' }],
  [10, '--S-', 'guest_go_set_hint', { ...request, session: 'guest' }],
  [11, '---P', 'welcome_back', { ...request, hint: 'anonymous' }],
  [12, '----', 'fresh', request],
  [
    13,
    '-RSP',
    'reauth_required',
    { ...request, session: 'user-lapsed', registration: 'active', hint: 'same-user' },
  ],
  [
    14,
    '-RS-',
    'reauth_then_set_hint',
    { ...request, session: 'user-lapsed', registration: 'active' },
  ],
  [15, '-R-P', 'not_arrived_yet', { ...request, hint: 'other-user' }],
]

describe('the request decision', () => {
  for (const [row, facts, outcome, state] of rows) {
    it(`S3-21.${row} row ${row}: ${facts} comes to ${outcome}`, () => {
      assert.equal(project(state), facts)
      assert.equal(decide(state).row, row)
      assert.equal(decide(state).outcome, outcome)
    })
  }

  it('S3-21.13 a guest in a browser that has an account stays a guest', () => {
    const state = { ...request, session: 'guest', hint: 'other-user' } as const
    assert.equal(project(state), '-RSP')
    assert.deepEqual(
      [decide(state).outcome, decide(state).standing],
      ['guest_with_account_hint', 'guest'],
    )
  })

  it('S3-21.16 no state whatever is registered without session and hint; the row behaves as 12 and rings', () => {
    assert.deepEqual(
      everyState.filter((state) => state.session !== 'store-down' && project(state) === '-R--'),
      [],
    )
    const [only] = decisions['-R--'].variants
    assert.deepEqual(
      [only.outcome, only.standing, only.audit],
      ['fresh', 'nobody', 'auth.state_impossible'],
    )
  })

  it('S3-20a a database that is away is the seventeenth outcome, whatever else is known', () => {
    for (const state of everyState.filter(({ session }) => session === 'store-down')) {
      const { row, outcome, standing, cookies, session } = decide(state)
      assert.deepEqual(
        [row, outcome, standing, cookies, session],
        [17, 'store_unavailable', 'unavailable', [], 'none'],
      )
    }
  })

  it('S2-03 S2-04 S2-13 S2-15 S3-04 S3-17a S3-20b S3-20d S3-20a every state has exactly one verdict, and deciding never throws', () => {
    for (const state of everyState) assert.ok(decide(state).outcome)
    const numbers = Object.values(decisions).map(({ row }) => row)
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      Array.from({ length: 16 }, (_, i) => i + 1),
    )
  })

  it('S3-22 the profile cookie never adds a right', () => {
    const rights = (state: RichState) =>
      (['public', 'guest', 'user', 'recent'] as const).filter(
        (access) => !admit(decide(state), state, access, { recent: true, reading: true }),
      )
    for (const state of everyState) {
      const without = rights({ ...state, hint: 'absent' })
      assert.deepEqual(
        rights(state).filter((right) => !without.includes(right)),
        [],
        JSON.stringify(state),
      )
    }
  })

  it('S3-22 however much is known, no two rows fit one state, and every cookie of the browser is as good as none', () => {
    const random = (seed: number) => () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
    const next = random(20_260_601)
    const one = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)]!
    for (let i = 0; i < 20_000; i++) {
      const state: RichState = {
        session: one(sessions),
        registration: one(registrations),
        hint: one(hints),
        event: one(events),
      }
      const asked = { recent: next() < 0.5, reading: next() < 0.5 }
      const verdict = decide(state)
      assert.deepEqual(decide({ ...state }), verdict)
      if (state.session !== 'store-down') {
        const fitting = Object.entries(decisions).filter(([facts]) => facts === project(state))
        assert.deepEqual(
          fitting.map(([, { row }]) => row),
          [verdict.row],
        )
      }
      const bare = { ...state, hint: 'absent' } as const
      for (const access of ['public', 'guest', 'user', 'recent'] as const) {
        const [hinted, plain] = [
          admit(verdict, state, access, asked),
          admit(decide(bare), bare, access, asked),
        ]
        assert.ok(hinted !== null || plain === null, JSON.stringify({ state, access, asked }))
      }
    }
  })

  it('S3-21.13 an ageing session reads and nothing else; a locked one not even that', () => {
    const [lapsed, locked] = (['user-lapsed', 'locked'] as const).map((session) => ({
      ...request,
      session,
      registration: 'active' as const,
    }))
    const of = (state: RichState, reading: boolean) =>
      (['public', 'guest', 'user', 'recent'] as const).filter(
        (access) => admit(decide(state), state, access, { reading, recent: true }) === null,
      )
    assert.deepEqual(of(lapsed!, true), ['public', 'guest', 'user'])
    assert.deepEqual(of(lapsed!, false), ['public'])
    assert.deepEqual(of(locked!, true), ['public'])
  })

  it('SEED-23 a forged profile cookie decides exactly as none does', () => {
    for (const state of everyState.filter(({ event }) => event === 'request')) {
      const [forged, none] = [
        { ...state, hint: 'anonymous' },
        { ...state, hint: 'absent' },
      ] as const
      assert.equal(decide(forged).standing, decide(none).standing)
      assert.equal(decide(forged).session, decide(none).session)
    }
  })

  it('acts as a user only with a live user session of an account that exists, or a provider’s word', () => {
    for (const state of everyState.filter(
      (one) => one.event === 'request' && decide(one).standing === 'user',
    )) {
      assert.equal(state.session, 'user-current')
      assert.ok(
        !['disabled', 'deleted', 'unregistered'].includes(state.registration),
        JSON.stringify(state),
      )
    }
  })

  it('drops the cookie of a dead session, and only that', () => {
    for (const session of ['malformed', 'unknown', 'expired', 'revoked'] as const)
      assert.ok(decide({ ...request, session }).cookies.includes('clear_session'))
    assert.ok(!decide(request).cookies.includes('clear_session'))
    assert.ok(!decide({ ...request, session: 'superseded' }).cookies.includes('clear_session'))
  })

  it('REV-11 asks for a recent sign-in where the route needs one', () => {
    const state = { ...request, session: 'user-current', registration: 'active' } as const
    assert.equal(admit(decide(state), state, 'recent'), 'reauth_required')
    assert.equal(admit(decide(state), state, 'recent', { recent: true }), null)
  })

  it('S2-11 tells a program why it is refused', () => {
    const codes = (['absent', 'unknown', 'revoked', 'expired', 'malformed'] as const).map(
      (session) => {
        const state = { ...request, session }
        return admit(decide(state), state, 'user')
      },
    )
    assert.deepEqual(codes, [
      'login_required',
      'no_session',
      'no_session',
      'session_expired',
      'login_required',
    ])
  })
})
