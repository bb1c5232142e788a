/** What a node says in its result stands under it until it says something else. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { openEmptyGraph } from './page.mjs'
import { describeInPage, inEachRenderer } from './suites.mjs'

describeInPage('what nodes say', (real) => {
  inEachRenderer(real, (opened) => {
    let page
    before(() => ({ page } = opened))
    const said = () => page.locator('.cfld-says')

    test('a saved pose is named under its node, also of the next run', async () => {
      await openEmptyGraph(page)
      const run = (prefix) =>
        page.evaluate(async (prefix) => {
          const { app, LiteGraph } = window
          app.graph.clear()
          const [load, save] = ['CFLDLoadPose', 'CFLDSavePose'].map((type) => LiteGraph.createNode(type))
          load.pos = [100, 100]
          save.pos = [500, 100]
          app.graph.add(load)
          app.graph.add(save)
          load.connect(0, save, 0)
          save.widgets.find(({ name }) => name === 'filename_prefix').value = prefix
          await app.queuePrompt(0, 1)
        }, prefix)
      await run('first')
      await said().filter({ hasText: 'my poses/first_0' }).waitFor()
      await run('second')
      await said().filter({ hasText: 'my poses/second_0' }).waitFor()
    })

    test('a warning stands under the node and goes when it no longer holds', async () => {
      await openEmptyGraph(page)
      await page.evaluate(() => {
        const node = window.LiteGraph.createNode('CFLDApplyHGA')
        node.pos = [300, 200]
        window.app.graph.add(node)
        window.warned = node
      })
      const finish = (text) => page.evaluate((text) => window.warned.onExecuted({ text }), text)
      await finish([])
      assert.equal(await said().count(), 0)
      await finish(["HGA Apply: input 'mask' is black everywhere", 'and another'])
      await said().filter({ hasText: 'black everywhere' }).waitFor()
      await finish([])
      await said().waitFor({ state: 'hidden' })
      const stored = await page.evaluate(() => JSON.stringify(window.app.graph.serialize()))
      assert.ok(!stored.includes('black everywhere'))
    })
  })
})
