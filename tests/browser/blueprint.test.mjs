/** The subgraph blueprint: pose transfer as one node, found by a search as a user does, is the template's graph. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'

import { eventually } from './editor.mjs'
import { openEmptyGraph } from './page.mjs'
import { putFile } from './server.mjs'
import { describeInPage, inEachRenderer } from './suites.mjs'

const TWIN = JSON.parse(readFileSync(new URL('../../workflows/api/basic_transfer.json', import.meta.url)))
/** The page lists them; nothing here reads them. */
const MODELS = ['models/checkpoints/v1-5-pruned-emaonly-fp16.safetensors', 'models/cfld/cfld.safetensors']

/** A prompt whose nodes, of which each type comes once, are named by their types. */
const byType = (prompt) => {
  const type = (id) => prompt[id].class_type
  const value = (input) => (Array.isArray(input) ? [type(input[0]), input[1]] : input)
  return Object.fromEntries(
    Object.keys(prompt).map((id) => [
      type(id), Object.fromEntries(Object.entries(prompt[id].inputs).map(([name, input]) => [name, value(input)]))
    ])
  )
}

/**
 * Puts the blueprint into the graph by a search at a place of the window, as a user does, and drops it above. What is typed
 * before the search is open are the page's own shortcuts: "n" opens the node library, "r" reads all nodes anew.
 */
const place = async (page, [x, y]) => {
  const before = await page.evaluate(() => window.app.graph.nodes.length)
  const search = page.getByRole('dialog').getByRole('combobox')
  await eventually(async () => {
    await page.mouse.dblclick(x, y, { delay: 40 })
    await search.waitFor({ timeout: 5000 })
  })
  await search.fill('pose transfer')
  await page.getByText('Subgraph Blueprints / CFLD').first().click()
  // It follows the mouse until a click, but on a busy machine it may not do so yet when the first click comes.
  await page.waitForFunction((count) => window.app.graph.nodes.length === count, before + 1)
  await eventually(async () => {
    await page.mouse.move(x + 190, y - 300)
    await page.mouse.click(x + 200, y - 300)
    await page.waitForFunction(() => window.app.graph.nodes.every(({ flags }) => !flags.ghost), undefined, { timeout: 2000 })
  })
}

describeInPage('blueprint', (real) => {
  before(() => Promise.all(MODELS.map((path) => putFile(real.server, path))))

  inEachRenderer(real, (opened) => {
    test('one node, found by its name, with photo, pose and seed, is the whole graph', async () => {
      const { page } = opened
      await openEmptyGraph(page)
      await place(page, [500, 600])
      const shown = await page.evaluate((scale) => {
        const { app, LiteGraph } = window
        const [whole] = app.graph.nodes
        const add = (type, values) => {
          const node = LiteGraph.createNode(type)
          app.graph.add(node)
          for (const [name, value] of Object.entries(values)) {
            const widget = node.widgets.find((one) => one.name === name)
            if (widget) widget.value = value
          }
          return node
        }
        const connect = (from, to, name) => from.connect(0, to, to.inputs.findIndex((input) => input.name === name))
        connect(add('LoadImage', scale.LoadImage), whole, 'photo')
        connect(add('CFLDLoadPose', scale.CFLDLoadPose), whole, 'pose')
        connect(whole, add('SaveImage', scale.SaveImage), 'images')
        return whole.widgets.map(({ name }) => name)
      }, byType(TWIN))
      assert.deepEqual(shown.sort(), ['cfld_name', 'ckpt_name', 'seed', 'steps'])
      const { output } = await page.evaluate(() => window.app.graphToPrompt())
      assert.deepEqual(byType(output), byType(TWIN))
    })

    test('two of it have seeds and steps of their own', async () => {
      const { page } = opened
      await openEmptyGraph(page)
      await place(page, [500, 600])
      await place(page, [200, 720])
      const sent = await page.evaluate(async () => {
        window.app.graph.nodes.forEach((node, index) => {
          for (const [name, value] of [['seed', 11], ['steps', 21]]) {
            node.widgets.find((widget) => widget.name === name).value = value + index
          }
        })
        const { output } = await window.app.graphToPrompt()
        const samplers = Object.values(output).filter((node) => node.class_type === 'KSampler')
        return samplers.map(({ inputs: { seed, steps } }) => [seed, steps]).sort()
      })
      assert.deepEqual(sent, [[11, 21], [12, 22]])
    })
  }, { settings: { 'Comfy.Locale': 'en' } })
})
