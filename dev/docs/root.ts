/** The project's folder. */
export const root: URL = new URL('../../', import.meta.url)
