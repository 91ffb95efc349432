import '../bin/node-version.js'
await import('./start.ts')
