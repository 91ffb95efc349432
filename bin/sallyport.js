#!/usr/bin/env node
import './node-version.js'
import { existsSync } from 'node:fs'

const built = new URL('../dist/cli.js', import.meta.url)
const source = new URL('../src/cli.ts', import.meta.url)
const { run } = await import((existsSync(source) ? source : built).href)
process.exitCode = await run(process.argv.slice(2))
