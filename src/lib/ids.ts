import { randomUUID } from 'node:crypto'
import { v7 } from 'uuid'

/** A new row id: UUIDv7 (RFC 9562 §5.7), never reused. It names a row; it is never a credential. */
export function newId(): string {
  return v7()
}

/** A new id for a request, which is only ever read: twenty times cheaper than one that sorts. */
export function newRequestId(): string {
  return randomUUID()
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Whether a string from outside has the shape of a row id, so that it may be sent to the database. */
export function isId(value: string): boolean {
  return uuid.test(value)
}
