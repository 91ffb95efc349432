import { mkdir, writeFile } from 'node:fs/promises'
import { generateDocs } from './docs/generate.ts'
import { root } from './docs/root.ts'

const pages = await generateDocs()
await mkdir(new URL('docs/providers/', root), { recursive: true })
for (const [path, text] of Object.entries(pages)) await writeFile(new URL(path, root), text)
console.log(`In step with the code: ${Object.keys(pages).join(', ')}`)
