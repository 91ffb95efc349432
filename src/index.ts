export { createSallyport, type Asking, type Options, type Sallyport, type Who } from './app.ts'
export { ConfigError, readConfig, type Config } from './lib/config.ts'
export { AppError, errors, type ErrorCode } from './lib/errors.ts'
