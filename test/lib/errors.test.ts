import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  AppError,
  errors,
  OperatorError,
  toAppError,
  type ErrorCode,
} from '../../src/lib/errors.ts'

const codes = Object.keys(errors) as ErrorCode[]

suite('the table of errors', () => {
  test('every row has a status, one line that says what happened, and advice', () => {
    for (const code of codes) {
      const { status, title, advice } = errors[code]
      assert.match(code, /^[a-z]+(_[a-z]+)*$/)
      assert.ok(status >= 400 && status < 600, code)
      assert.match(title, /^[^.\n]{8,80}$/, code)
      assert.match(advice, /^[^\n]{8,200}\.$/, code)
    }
  })

  test('no text tells what only the log may know', () => {
    for (const code of codes) {
      const { title, advice } = errors[code]
      assert.doesNotMatch(
        `${title} ${advice}`,
        /database|sql|stack|exception|null|undefined|token/i,
      )
    }
  })
})

suite('AppError', () => {
  test('has the status of its code and keeps its reason for the log', () => {
    const cause = new Error('state differs')
    const error = new AppError('flow_invalid', { reason: 'mismatch', cause })
    assert.equal(error.status, 400)
    assert.deepEqual([error.code, error.reason, error.cause], ['flow_invalid', 'mismatch', cause])
    assert.equal(error.message, 'flow_invalid: mismatch')
    assert.deepEqual([error.headers, error.members], [{}, {}])
  })

  test('without a reason its code is the reason', () => {
    assert.equal(new AppError('not_found').reason, 'not_found')
  })

  test('what was not foreseen is an internal error with its cause', () => {
    for (const thrown of [new TypeError('x is not a function'), 'text', undefined, null, 0]) {
      const error = toAppError(thrown)
      assert.deepEqual(
        [error.code, error.reason, error.status],
        ['internal_error', 'unhandled', 500],
      )
      assert.equal(error.cause, thrown)
    }
    const known = new AppError('forbidden')
    assert.equal(toAppError(known), known)
  })
})

test('an operator’s error is named after its class', () => {
  class DiskFull extends OperatorError {}
  assert.equal(new DiskFull('Make room.').name, 'DiskFull')
  assert.equal(new OperatorError('Make room.').name, 'OperatorError')
})
