/** The page shows each node's help with its pictures, and the nodes in the user's language. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'

import { openEmptyGraph, openPage } from './page.mjs'
import { saveSettings } from './server.mjs'
import { describeInPage } from './suites.mjs'

const ROOT = new URL('../../', import.meta.url)
const NODES = readdirSync(new URL('web/docs/', ROOT)).filter((name) => name.endsWith('.md')).map((name) => name.slice(0, -3))
const CHINESE = JSON.parse(readFileSync(new URL('locales/zh/nodeDefs.json', ROOT), 'utf8'))

const definitionsOf = async (server) => (await fetch(`${server.address}/object_info`)).json()

/** What the page calls the node and its slots and widgets. */
const addNode = (page, type) =>
  page.evaluate((type) => {
    const node = window.LiteGraph.createNode(type)
    node.pos = [200, 200]
    window.app.graph.add(node)
    window.app.canvas.selectNode(node)
    return {
      title: node.title,
      description: node.constructor.nodeData.description,
      inputs: Object.fromEntries(node.inputs.map((input) => [input.name, input.localized_name])),
      outputs: node.outputs.map((output) => output.localized_name),
      widgets: Object.fromEntries(node.widgets?.map((widget) => [widget.name, widget.label]) ?? [])
    }
  }, type)

describeInPage('texts of the nodes', (real) => {
  test('every node has its help, with pictures', async () => {
    const { page } = await openPage(real.browser, real.server)
    for (const type of NODES) {
      await openEmptyGraph(page)
      const { title } = await addNode(page, type)
      await page.locator('[data-testid="info-button"]').click()
      const help = page.locator('.node-help-content')
      await help.locator('h1', { hasText: title }).waitFor()
      const pictures = help.locator('img')
      assert.ok((await pictures.count()) > 0, `${type} has no picture`)
      for (const picture of await pictures.all()) {
        await picture.evaluate((image) => image.decode())
        assert.ok((await picture.getAttribute('src')).startsWith(`/extensions/${real.server.packName}/docs/images/`))
      }
    }
    await page.context().close()
  })

  test('nodes, slots and widgets in Chinese', async () => {
    await saveSettings(real.server.address, { 'Comfy.Locale': 'zh' })
    const { page } = await openPage(real.browser, real.server)
    const definitions = await definitionsOf(real.server)
    for (const [type, texts] of Object.entries(CHINESE)) {
      const node = await addNode(page, type)
      assert.equal(node.title, texts.display_name)
      for (const [name, label] of Object.entries({ ...node.inputs, ...node.widgets })) {
        assert.equal(label, texts.inputs[name.replaceAll('.', '_')]?.name, `${type}.${name}`)
      }
      const core = ['GUIDER'] // named as their type, which the page translates by itself
      node.outputs.forEach((label, index) => {
        if (!core.includes(definitions[type].output_name[index])) assert.equal(label, texts.outputs[index].name)
      })
    }
    await page.context().close()
  })

  // Of English there is no locale, and German has none of this pack: the page falls back to the schema.
  for (const language of ['en', 'de']) {
    test(`nodes, slots, widgets and tooltips by their schema where the page is in ${language}`, async () => {
      await saveSettings(real.server.address, { 'Comfy.Locale': language })
      const { page } = await openPage(real.browser, real.server)
      const definitions = await definitionsOf(real.server)
      for (const type of NODES) {
        const node = await addNode(page, type)
        const { display_name, description, input_order, output_name } = definitions[type]
        assert.equal(node.title, display_name)
        assert.equal(node.description, description)
        // A scale of a mode, mode.down_scale, is called as the schema's display_name says, without its mode.
        const isInput = (name) => name.includes('.') || input_order.required?.includes(name) || input_order.optional?.includes(name)
        for (const [name, label] of Object.entries(node.widgets)) if (isInput(name)) assert.equal(label, name.split('.').at(-1), type)
        for (const [name, label] of Object.entries(node.inputs)) assert.ok([name, name.split('.').at(-1)].includes(label), type)
        node.outputs.forEach((label, index) => assert.equal(label, output_name[index], type))
      }
      await page.context().close()
    })
  }
})
