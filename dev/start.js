import '../bin/node-version.js'

// Said here and nowhere else: this command is for development, and signs people in at the press of a button.
process.env.NODE_ENV ??= 'development'
process.env.SALLYPORT_AUTOSESSION ??= 'on'
await import('./start.ts')
