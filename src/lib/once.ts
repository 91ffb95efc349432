/**
 * Does something asynchronous when it is first asked for, and answers with the same ever after; what failed is tried again.
 * For modules that most processes never need: importing one a second time finds it, but takes a tenth of a millisecond.
 */
export function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined
  return () =>
    (loaded ??= load().catch((error: unknown) => {
      loaded = undefined
      throw error
    }))
}
