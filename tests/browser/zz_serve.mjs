import { writeFileSync, symlinkSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startServer } from './server.mjs'
const server = await startServer({'Comfy.Locale': 'en'})
writeFileSync(process.argv[2], JSON.stringify({ address: server.address, folder: server.folder, packName: server.packName }))
console.log(server.address)
process.on('SIGTERM', async () => { await server.stop(); process.exit() })
setInterval(() => {}, 1e6)
