import '../bin/node-version.js'

// Said here and nowhere else: this command is for development, shows everything there is, and signs people in at the
// press of a button.
process.env.NODE_ENV ??= 'development'
process.env.SALLYPORT_AUTOSESSION ??= 'on'
process.env.SALLYPORT_GUESTS ??= 'on'
process.env.SALLYPORT_PERSONAL_SIGN_IN ??= 'everybody'
if (process.env.SALLYPORT_PERSONAL_SIGN_IN !== 'off')
  process.env.SALLYPORT_ORGANIZATIONS ??= 'anybody'
await import('./start.ts')
