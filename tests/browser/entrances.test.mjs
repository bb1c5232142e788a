/** Ways into the pack from the page's menus: the pose editor for what a node loads, and the demo. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { before, test } from 'node:test'

import { GREEN_PNG, eventually, isGreen } from './editor.mjs'
import { openEmptyGraph } from './page.mjs'
import { putInput } from './server.mjs'
import { describeInPage, inEachRenderer } from './suites.mjs'

const FOLDER = new URL('../../workflows/', import.meta.url)
const [START] = readdirSync(FOLDER).filter((name) => name.startsWith('1 ') && name.endsWith('.json'))

describeInPage('ways in', (real) => {
  before(() => putInput(real.server, 'green.png', GREEN_PNG))

  inEachRenderer(real, (opened) => {
    let page
    before(() => ({ page } = opened))

    /** Adds a node and takes our entry of its menu; what is there afterwards. */
    const openInEditor = async (type, name, value, reader) => {
      await openEmptyGraph(page)
      await page.evaluate(([type, name, value, reader]) => {
        const { app, LiteGraph } = window
        app.canvas.ds.scale = 1
        app.canvas.ds.offset = [0, 0]
        const [node, next] = [type, reader].map((one) => LiteGraph.createNode(one))
        node.pos = [100, 150]
        next.pos = [1100, 150]
        for (const one of [node, next]) app.graph.add(one)
        node.widgets.find((widget) => widget.name === name).value = value
        node.connect(0, next, 0)
        app.collectNodeMenuItems(node).find(({ content }) => content === 'Open in Pose Editor').callback()
      }, [type, name, value, reader])
      await page.waitForFunction(() => window.app.graph.nodes.some(({ type }) => type === 'CFLDPoseEditor'))
    }
    const inputs = async () => Object.values((await page.evaluate(() => window.app.graphToPrompt())).output)

    test('a loaded pose is drawn in an editor, which takes its place', async () => {
      await openInEditor('CFLDLoadPose', 'pose', 'waving', 'CFLDDrawPose')
      await eventually(async () => {
        const prompt = await inputs()
        const editor = prompt.find(({ class_type }) => class_type === 'CFLDPoseEditor')
        const pose = readFileSync(new URL('../../web/poses/waving.json', import.meta.url), 'utf8')
        assert.deepEqual(JSON.parse(editor.inputs.pose_json), JSON.parse(pose))
        const drawing = prompt.find(({ class_type }) => class_type === 'CFLDDrawPose')
        const ids = await page.evaluate(() => window.app.graph.nodes.map(({ id, type }) => [type, String(id)]))
        assert.equal(drawing.inputs.pose[0], Object.fromEntries(ids).CFLDPoseEditor)
      })
    })

    test('a loaded picture is traced in an editor', async () => {
      await openInEditor('LoadImage', 'image', 'green.png', 'PreviewImage')
      await page.evaluate(() => (window.app.canvas.ds.offset = [-100, 0]))
      await isGreen(page)
    })

    test('other nodes have no such entry', async () => {
      const entries = await page.evaluate(() =>
        window.app.collectNodeMenuItems(window.LiteGraph.createNode('CFLDDrawPose')).map((entry) => entry?.content)
      )
      assert.ok(!entries.includes('Open in Pose Editor'))
    })

    test('the demo opens by a command', async () => {
      await page.evaluate(() => window.app.extensionManager.command.execute('CFLD.Demo'))
      const { id } = JSON.parse(readFileSync(new URL(START, FOLDER)))
      await page.waitForFunction((id) => window.app.graph.id === id, id)
    })
  }, { settings: { 'Comfy.Locale': 'en' } })
})
