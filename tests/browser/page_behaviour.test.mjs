/** What the page does to nodes: panels, modes, subgraphs, empty lists. Our widgets go along. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'

import {
  EDITOR, GREEN_PNG, IN_PICTURE, clickAction, connectPicture, eventually, freshEditor, isGreen, paintedAt, settle
} from './editor.mjs'
import { openEmptyGraph } from './page.mjs'
import { putFile, putInput } from './server.mjs'
import { describeInPage, inEachRenderer } from './suites.mjs'

const MUTED = 2
const BYPASSED = 4

describeInPage('the page and our widgets', (real) => {
  before(() => putInput(real.server, 'green.png', GREEN_PNG))

  inEachRenderer(real, (opened) => {
    let page, id
    before(() => ({ page } = opened))

    const fresh = async () => {
      id = await freshEditor(page)
    }
    const placeOf = (selector) =>
      page.locator(selector).evaluate((element) => {
        const { x, y, width, height } = element.getBoundingClientRect()
        return [x, y, width, height].map(Math.round)
      })

    /** In the graph that is shown, a subgraph or the root, which is gone back to. */
    const isGreenThenLeave = async () => {
      await page.waitForTimeout(800)
      await page.evaluate(() => {
        window.app.canvas.ds.scale = 1
        window.app.canvas.ds.offset = [0, 0]
        window.app.canvas.setDirty(true, true)
      })
      await isGreen(page)
      await page.evaluate(() => window.app.canvas.setGraph(window.app.rootGraph))
    }

    test('the panel of properties and the help leave the editor and the preview where they are', async () => {
      await fresh()
      await page.evaluate(() => {
        const node = window.LiteGraph.createNode('CFLDLoadPose')
        node.pos = [100, 200]
        window.app.graph.add(node)
      })
      await settle(page)
      const before = [await placeOf(EDITOR), await placeOf('.cfld-pose-preview')]
      const parameters = page.getByRole('tab', { name: 'Parameters' })
      for (const type of ['CFLDPoseEditor', 'CFLDLoadPose']) {
        await page.evaluate((type) => {
          const { app } = window
          app.canvas.deselectAll()
          app.canvas.selectNode(app.graph.nodes.find((node) => node.type === type))
        }, type)
        await settle(page)
        if (!(await parameters.count())) await page.locator('[data-testid="info-button"]').click()
        for (const tab of [parameters, page.getByRole('tab', { name: 'Info' }), parameters]) {
          await tab.first().click()
          await page.waitForTimeout(500)
        }
      }
      assert.deepEqual([await placeOf(EDITOR), await placeOf('.cfld-pose-preview')], before)
    })

    test('a muted or bypassed editor looks muted', async () => {
      await fresh()
      const opacity = async (mode) => {
        await page.evaluate(([node, mode]) => {
          window.app.graph.getNodeById(node).mode = mode
          window.app.canvas.setDirty(true, true)
        }, [id, mode])
        await page.waitForTimeout(500)
        return page.locator(EDITOR).evaluate((element) => {
          let product = 1
          for (let one = element; one; one = one.parentElement) product *= Number(getComputedStyle(one).opacity)
          return product
        })
      }
      for (const mode of [MUTED, BYPASSED]) assert.ok((await opacity(mode)) <= 0.6, `mode ${mode}`)
      assert.equal(await opacity(0), 1)
    })

    for (const moved of ['the editor', 'the picture', 'both']) {
      test(`the traced picture stays when a subgraph is made of ${moved}`, async () => {
        await fresh()
        await connectPicture(page, id, 'green.png')
        await isGreen(page)
        await page.evaluate(([node, moved]) => {
          const { app } = window
          const isEditor = ({ id }) => id === node
          const nodes = app.graph.nodes.filter((one) => moved === 'both' || (moved === 'the editor') === isEditor(one))
          const made = app.graph.convertToSubgraph(new Set(nodes))
          if (moved !== 'the picture') app.canvas.openSubgraph(made.subgraph, made.node)
        }, [id, moved])
        await isGreenThenLeave()
      })
    }

    test('a picture opened in the editor goes into the subgraph with it, and not into another workflow', async () => {
      await fresh()
      await clickAction(page, 'background')
      await page.locator(`${EDITOR} .sheet [type=file]`).setInputFiles({ name: 'green.png', mimeType: 'image/png', buffer: GREEN_PNG })
      await page.locator(`${EDITOR} .sheet`).getByRole('button', { name: 'Close', exact: true }).click()
      await isGreen(page)
      await page.evaluate((node) => {
        const { app } = window
        const made = app.graph.convertToSubgraph(new Set([app.graph.getNodeById(node)]))
        app.canvas.openSubgraph(made.subgraph, made.node)
      }, id)
      await isGreenThenLeave()
      await fresh()
      await settle(page)
      assert.equal(await paintedAt(page, IN_PICTURE), 'rgb(0,0,0)')
    })

    test('what a node has saved is in the lists of those that load it', async () => {
      await openEmptyGraph(page)
      await putFile(real.server, 'output/cfld_appearances/somebody_00001_.safetensors')
      const offered = () =>
        page.evaluate(() => {
          const { input } = window.LiteGraph.registered_node_types.CFLDLoadAppearance.nodeData
          return input.required.appearance_name[1].options
        })
      await eventually(async () => assert.ok(!(await offered()).includes('somebody_00001_.safetensors')))
      await page.evaluate(() => {
        const node = window.LiteGraph.createNode('CFLDSaveAppearance')
        window.app.graph.add(node)
        node.onExecuted({})
      })
      await eventually(async () => assert.ok((await offered()).includes('somebody_00001_.safetensors')))
      rmSync(join(real.server.folder, 'output/cfld_appearances/somebody_00001_.safetensors'))
      await page.evaluate(() => window.app.refreshComboInNodes())
      await eventually(async () => assert.ok(!(await offered()).includes('somebody_00001_.safetensors')))
    })

    test('a list without entries says what to do', async () => {
      await openEmptyGraph(page)
      const shown = await page.evaluate(() =>
        ['CFLDLoader', 'CFLDConvert', 'CFLDLoadAppearance'].map((type) => {
          const node = window.LiteGraph.createNode(type)
          window.app.graph.add(node)
          return node.widgets[0].value
        })
      )
      assert.deepEqual(shown, [...Array(2).fill('put a file into models/cfld'), 'keep a person with Save Appearance first'])
    })
  }, { settings: { 'Comfy.Locale': 'en' } })
})
