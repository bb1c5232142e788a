/** Two PNGs of the pose editor in the real page, into the folder given: what benchmarks/make_pictures.py puts together. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { addEditor, clickAction, connectPicture, eventually, settle } from './editor.mjs'
import { missingBrowser, openPage, startBrowser } from './page.mjs'
import { PYTHON, missingHost, putInput, saveSettings, startServer } from './server.mjs'

const FOLDER = process.argv[2]
const ROOT = new URL('../..', import.meta.url).pathname
const PHOTO = readFileSync(new URL('../data/astronaut.jpg', import.meta.url))

const missing = missingHost() || (await missingBrowser())
if (missing) throw new Error(missing)
const server = await startServer()
const browser = await startBrowser()
try {
  const models = join(server.folder, 'models')
  mkdirSync(models, { recursive: true })
  execFileSync(PYTHON, ['-m', 'cfld_modules', 'get', 'blazepose', '--models', models], { cwd: ROOT })
  await putInput(server, 'astronaut.jpg', PHOTO)
  await saveSettings(server.address, { 'Comfy.VueNodes.Enabled': true })
  const { page } = await openPage(browser, server, { width: 1100, height: 1000 })
  const id = await addEditor(page, [320, 150])
  await connectPicture(page, id, 'astronaut.jpg', { pos: [75, 150], size: [210, 300] })
  const detect = page.locator('.cfld-pose-editor [data-action=detect]')
  await eventually(() => detect.click({ timeout: 500 }))
  const status = page.locator('.cfld-pose-editor [role=status]')
  await eventually(async () => {
    if (!/^People found/.test(await status.first().innerText())) throw new Error(await status.first().innerText())
  }, 120_000)
  await page.setViewportSize({ width: 1100, height: 1400 })
  await page.evaluate((node) => {
    const { canvas, graph } = window.app
    const [x, y] = graph.getNodeById(node).pos
    Object.assign(canvas.ds, { scale: 1.6, offset: [60 - x, 90 - y] })
    canvas.setDirty(true, true)
  }, id)
  await settle(page)
  const { x, y, width, height } = await page.locator(`[data-node-id="${id}"]`).boundingBox()
  await page.screenshot({ path: join(FOLDER, '1.png'), clip: { x, y, width, height } })
  await page.setViewportSize({ width: 900, height: 800 })
  await clickAction(page, 'enlarge')
  await clickAction(page, 'presets')
  await page.waitForTimeout(1500)
  await page.locator('.cfld-pose-editor dialog').screenshot({ path: join(FOLDER, '2.png') })
} finally {
  await browser.close()
  await server.stop()
}
