/** PNGs of two graphs in the real page, into the folder given, for benchmarks/make_pictures.py: the demo once it has run, with its pictures, and the smallest graph. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { eventually } from './editor.mjs'
import { missingBrowser, openPage, startBrowser } from './page.mjs'
import { missingHost, putFile, putInput, startServer } from './server.mjs'

const FOLDER = process.argv[2]
const WORKFLOWS = new URL('../../workflows/', import.meta.url)
const PHOTO = readFileSync(new URL('../data/astronaut.jpg', import.meta.url))
const read = (number) => {
  const name = readdirSync(WORKFLOWS).find((file) => file.startsWith(`${number} `) && file.endsWith('.json'))
  return JSON.parse(readFileSync(new URL(name, WORKFLOWS)))
}
const MODELS = ['checkpoints/v1-5-pruned-emaonly-fp16.safetensors', 'cfld/cfld.safetensors']
/** The smallest graph in three columns, each of [node type, height]; narrow, since a help page is. */
const COLUMNS = [
  [['CheckpointLoaderSimple', 140], ['CFLDLoader', 120], ['LoadImage', 330], ['CFLDLoadPose', 250]],
  [['CFLDPromptEncoder', 170], ['CFLDPoseConditioning', 190], ['CFLDApplyHGA', 200], ['EmptyLatentImage', 140]],
  [['KSampler', 300], ['VAEDecode', 80], ['ImageScale', 170], ['SaveImage', 290]]
]
const [WIDTH, GAP, LEFT, TOP] = [230, 60, 80, 190]
const MARGIN = 14

/** The template without notes, groups and points of wires. */
function smallestGraph() {
  const { extra, groups, ...graph } = read(2)
  const places = COLUMNS.flatMap((column, number) => {
    let y = 0
    return column.map(([type, height]) => {
      const pos = [LEFT + number * (WIDTH + GAP), TOP + y]
      y += height + 45
      return [type, { pos, size: [WIDTH, height] }]
    })
  })
  const by = Object.fromEntries(places)
  const nodes = graph.nodes.filter(({ type }) => type in by).map((node) => ({ ...node, ...by[node.type] }))
  return { ...graph, nodes, groups: [], extra: { ds: { scale: 1, offset: [0, 0] } } }
}

/** Where all nodes and groups are in the window, and a margin around them. */
const aroundNodes = (page) =>
  page.evaluate((margin) => {
    const { canvas, graph } = window.app
    const { scale, offset } = canvas.ds
    const boxes = [...graph.nodes, ...graph.groups].map(({ boundingRect }) => boundingRect)
    const [x, y] = [0, 1].map((axis) => (Math.min(...boxes.map((box) => box[axis])) + offset[axis]) * scale - margin)
    const [right, bottom] = [0, 1].map(
      (axis) => (Math.max(...boxes.map((box) => box[axis] + box[axis + 2])) + offset[axis]) * scale + margin
    )
    return { x, y, width: right - x, height: bottom - y }
  }, MARGIN)

const missing = missingHost() || (await missingBrowser())
if (missing) throw new Error(missing)
const server = await startServer({ 'Comfy.VueNodes.Enabled': true, 'Comfy.Minimap.Visible': false, 'Comfy.Locale': 'en' })
const browser = await startBrowser()
try {
  for (const path of MODELS) await putFile(server, join('models', path))
  await putInput(server, 'example.png', PHOTO)
  const { page } = await openPage(browser, server, { width: 1440, height: 900 })
  const demo = read(1)
  await page.evaluate(async (graph) => {
    await window.app.loadGraphData(graph)
    Object.assign(window.app.canvas.ds, { scale: 0.66, offset: [130, 200] })
    window.app.canvas.setDirty(true, true)
  }, demo)
  await page.waitForTimeout(1500)
  await page.locator('[data-testid="queue-button"]').click()
  const outputs = await eventually(async () => {
    const [run] = Object.values(await (await fetch(`${server.address}/history`)).json())
    return run.outputs
  }, 120_000)
  const titles = { 'Source person': 'photo', 'Target pose and truth': 'truth', SaveImage: 'result' }
  for (const { id, title, type } of demo.nodes) {
    const name = titles[title] ?? titles[type]
    if (!name) continue
    const picture = await fetch(`${server.address}/view?${new URLSearchParams(outputs[id].images[0])}`)
    writeFileSync(join(FOLDER, `${name}.png`), Buffer.from(await picture.arrayBuffer()))
  }
  await page.waitForTimeout(6000) // until the page says no more that it is done
  await page.screenshot({ path: join(FOLDER, 'demo.png'), clip: await aroundNodes(page) })
  await page.setViewportSize({ width: LEFT + 3 * (WIDTH + GAP) + 40, height: 1400 })
  await page.evaluate((graph) => window.app.loadGraphData(graph), smallestGraph())
  await page.evaluate(() => {
    Object.assign(window.app.canvas.ds, { scale: 1, offset: [0, 0] })
    window.app.canvas.setDirty(true, true)
  })
  await page.waitForTimeout(2000)
  await page.screenshot({ path: join(FOLDER, 'smallest.png'), clip: await aroundNodes(page) })
} finally {
  await browser.close()
  await server.stop()
}
