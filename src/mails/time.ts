const form = new Intl.DateTimeFormat('en-GB', {
  dateStyle: 'long',
  timeStyle: 'short',
  timeZone: 'UTC',
})

/** A moment for people whose time zone nobody knows. @param iso ISO 8601 */
export function inUtc(iso: string): string {
  return `${form.format(new Date(iso))} UTC`
}
