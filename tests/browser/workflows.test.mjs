/**
 * Every shipped workflow, opened from the page's template browser on a screen of 1440x900: nothing missing, nothing red, its
 * API twin, and large enough to read with nothing in the way.
 */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { layoutFaults, markAllWrong, scaleOf, showPictures, underTheMap } from './layout.mjs'
import { missingBrowser, openEmptyGraph, openPage, startBrowser } from './page.mjs'
import { missingHost, putFile, putInput, saveSettings, startServer } from './server.mjs'

const WORKFLOWS = new URL('../../workflows/', import.meta.url)
const PHOTO = readFileSync(new URL('../data/astronaut.jpg', import.meta.url))
const NAMES = readdirSync(WORKFLOWS).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5))
/** The files the workflows name. The page lists them; nothing here reads the models. */
const MODELS = [
  'checkpoints/v1-5-pruned-emaonly-fp16.safetensors', 'cfld/cfld.safetensors',
  'controlnet/control_v11p_sd15_openpose_fp16.safetensors', 'upscale_models/RealESRGAN_x4plus.safetensors',
  'vae_approx/taesd_encoder.safetensors', 'vae_approx/taesd_decoder.safetensors'
]
/** `example.png` comes with ComfyUI. */
const PICTURES = ['example.png', 'scene.png', 'target_pose.png']
const SCREEN = { width: 1440, height: 900 }
/** The classic canvas draws no text below 0.571. */
const LEGIBLE = 0.6

/** Workflows with nodes of other packs, and which they are: the page must name these, and nothing else. */
const OTHER_PACKS = {
  'Relight with IC-Light': ['BackgroundScaler', 'LoadAndApplyICLightUnet', 'ICLightConditioning'],
  'Animation - AnimateDiff, pose sequence': ['ADE_AnimateDiffLoaderGen1']
}

/** Workflows in which, to be legible, nodes are lower than the pictures they show after a run. */
const TIGHT = [
  'Keep texture and face - print, pattern from photo', 'Outfit swap - virtual try on', 'Person in described scene',
  'Person into a photo - inpaint', 'Relight with IC-Light'
]

const missing = missingHost() || (await missingBrowser())
const read = (path) => JSON.parse(readFileSync(new URL(path, WORKFLOWS)))
/** The name of a workflow's API twin: short, for the shell, where the workflow says so. */
const twinOf = (name) => read(`${name}.json`).extra.api ?? name
let server, browser

/** Opens a workflow as a user does: Templates, the pack, the card. */
async function openTemplate(page, name) {
  await page.evaluate(() => window.app.extensionManager.command.execute('Comfy.BrowseTemplates'))
  await page.getByText(server.packName, { exact: true }).click()
  const card = page.locator(`[data-testid="template-workflow-${name}"]`)
  await card.scrollIntoViewIfNeeded()
  await card.locator('img').first().evaluate((picture) => picture.decode())
  await card.click()
  const { id, nodes } = read(`${name}.json`)
  await page.waitForFunction(([id, count]) => window.app.graph.id === id && window.app.graph.nodes.length === count, [
    id, nodes.length
  ])
  await page.waitForTimeout(1500) // the page looks for missing models and pictures after it has opened a workflow
}

/** What the page finds wrong with the open workflow, in words. */
const complaints = (page) =>
  page.evaluate(() => {
    const { app, LiteGraph } = window
    const found = []
    for (const node of app.graph.nodes) {
      if ([LiteGraph.NEVER, 4].includes(node.mode)) continue // muted or bypassed: for a file of the user's own
      if (!(node.type in LiteGraph.registered_node_types)) found.push(`${node.type}: missing node`)
      if (node.has_errors) found.push(`${node.type}: red`)
      for (const input of node.inputs ?? []) if (input.hasErrors) found.push(`${node.type}, ${input.name}: red input`)
      for (const { name, type, value, options } of node.widgets ?? []) {
        const values = typeof options?.values === 'function' ? options.values() : options?.values
        if (type === 'combo' && !values.includes(value)) found.push(`${node.type}, ${name}: no choice '${value}'`)
      }
    }
    const shown = document.querySelectorAll('[role=dialog], [data-testid=error-overlay], .p-toast-message')
    return found.concat([...shown].map((message) => message.innerText))
  })

describe('workflows', { skip: missing || false, timeout: 1_800_000 }, () => {
  before(async () => {
    server = await startServer()
    for (const path of MODELS) await putFile(server, join('models', path))
    await putFile(server, 'output/cfld_appearances/person_00001_.safetensors')
    for (const name of PICTURES) await putInput(server, name, PHOTO)
    browser = await startBrowser()
  })
  after(async () => {
    await browser?.close()
    await server?.stop()
  })

  test('each has an API twin, and the other way round', () => {
    const twins = readdirSync(new URL('api/', WORKFLOWS)).filter((name) => name.endsWith('.json'))
    assert.deepEqual(NAMES.map((name) => `${twinOf(name)}.json`).sort(), twins.sort())
  })

  for (const [renderer, isVue] of [['classic canvas', false], ['Nodes 2.0', true]]) {
    describe(renderer, () => {
      let page, errors

      before(async () => {
        await saveSettings(server.address, { 'Comfy.VueNodes.Enabled': isVue })
        ;({ page, errors } = await openPage(browser, server, SCREEN))
        page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
      })
      after(() => page?.context().close())

      for (const name of NAMES) {
        describe(name, () => {
          const others = OTHER_PACKS[name] ?? []

          before(async () => {
            await openEmptyGraph(page)
            errors.length = 0
            await openTemplate(page, name)
          })

          test('opens without a complaint and is its API twin', async () => {
            const absent = others.flatMap((type) => [`${type}: missing node`, `${type}: red`])
            const found = await complaints(page)
            assert.deepEqual(found.filter((line) => /: (missing node|red)$/.test(line)).sort(), absent.sort())
            if (others.length) {
              const messages = found.filter((line) => !absent.includes(line))
              assert.ok(messages.every((text) => /missing/i.test(text)), messages.join())
            } else assert.deepEqual(found, [])
            const { output } = await page.evaluate(() => window.app.graphToPrompt())
            const foreign = read(`${name}.json`).nodes.filter(({ type }) => others.includes(type)).map(({ id }) => String(id))
            const bare = (prompt) =>
              Object.fromEntries(
                Object.entries(prompt)
                  .filter(([id]) => !foreign.includes(id))
                  // What is in the comparing node before a run is the page's own, and another value in each.
                  .map(([id, { class_type, inputs: { compare_view, ...inputs }, _meta }]) => [id, { class_type, inputs, _meta }])
              )
            assert.deepEqual(bare(output), bare(read(`api/${twinOf(name)}.json`)))
            // It asks the registry which packs have them.
            // And of the models of its own start page it asks how large they are, where the host's policy lets it.
            const isAsked = (message) =>
              message.includes('Content Security Policy') || others.some((type) => message.includes(`/comfy-nodes/${type}/`))
            assert.deepEqual(errors.filter((message) => !isAsked(message)), [])
          })

          test('is legible, and nothing lies over a node or behind one', async () => {
            assert.ok((await scaleOf(page)) >= LEGIBLE, `it opens at a scale of ${await scaleOf(page)}`)
            assert.deepEqual(await underTheMap(page), [])
            assert.deepEqual(await layoutFaults(page), [])
            await markAllWrong(page)
            assert.deepEqual(await layoutFaults(page), [])
            if (TIGHT.includes(name)) return
            await markAllWrong(page, false)
            await showPictures(page, PICTURES[0])
            assert.deepEqual(await layoutFaults(page), [])
          })
        })
      }
    })
  }
})
