import { AppError } from '../lib/errors.ts'

/** A version as an entity tag: weak, because what is shown of a resource may differ (RFC 7644 §3.14). */
export function tagOf(version: number): string {
  return `W/"${version}"`
}

/** Whether a list of tags names that version (RFC 9110 §13.1). */
export function namesVersion(tags: string, version: number): boolean {
  const wanted = tagOf(version).slice(2)
  return tags.split(',').some((tag) => {
    const bare = tag.trim()
    return bare === '*' || bare === wanted || bare === `W/${wanted}`
  })
}

/** @throws AppError `precondition_failed` where a directory means another version than there is */
export function assertVersion(ifMatch: string | null, version: number): void {
  if (ifMatch !== null && !namesVersion(ifMatch, version))
    throw new AppError('precondition_failed', { reason: 'scim: version' })
}
