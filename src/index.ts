export { createSallyport, type Options, type Sallyport } from './app.ts'
export type { Asking, Challenged, Mountable, SignedIn, Who } from './http/who.ts'
export { ConfigError, readConfig, type Config } from './lib/config.ts'
export { AppError, errors, type ErrorCode } from './lib/errors.ts'
