import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { bendLimb } from '../../web/js/pose_editor/geometry.js'
import { STANDING } from '../../web/js/pose_editor/skeleton.js'
import {
  GREEN_PNG, STAGE, addEditor, clickAction, colourOf, connectPicture, drag, eventually, freshEditor, isGreen,
  paintedAt, press, promptInputs, promptPoses, settle, storedText, undoGraph, windowPoint
} from './editor.mjs'
import { openPage } from './page.mjs'
import { putInput, saveSettings } from './server.mjs'
import { describeInPage, inEachRenderer } from './suites.mjs'

const [R_SHOULDER, R_ELBOW, R_WRIST] = [2, 3, 4]
const TARGET = [60, 180]
const WITH_WRIST_MOVED = bendLimb(STANDING.pose, R_WRIST, TARGET)

function assertPoses(actual, expected, tolerance = 0.6) {
  assert.equal(actual.length, expected.length, 'frames')
  actual.forEach((pose, frame) =>
    pose.forEach((point, joint) => {
      const wanted = expected[frame][joint]
      const distance = point && wanted && Math.hypot(point[0] - wanted[0], point[1] - wanted[1])
      const isClose = distance === null ? point === wanted : distance <= tolerance
      assert.ok(isClose, `frame ${frame}, joint ${joint}: ${point} is not ${wanted}`)
    })
  )
}

const nodeIds = (page) => page.evaluate(() => window.app.graph.nodes.map((node) => String(node.id)))

describeInPage('pose editor', (real) => {
  inEachRenderer(real, (opened) => {
    let page, id
    before(() => ({ page } = opened))

    const fresh = async () => {
      id = await freshEditor(page)
    }

    test('an untouched editor sends the figure it shows and stores nothing; a dragged joint is where it was dropped', async () => {
      await fresh()
      assertPoses(await promptPoses(page, id), [STANDING.pose], 0)
      assert.equal(await storedText(page, id), '')
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      assertPoses(await promptPoses(page, id), [WITH_WRIST_MOVED])
      assert.equal(await paintedAt(page, TARGET), colourOf(R_WRIST))
      assert.deepEqual(Object.keys(await promptInputs(page, id)), ['pose_json', 'width', 'height'])
    })

    test('a dragged bone swings its limb, Shift moves the limb as it is', async () => {
      await fresh()
      const [shoulder, elbow, wrist] = [R_SHOULDER, R_ELBOW, R_WRIST].map((joint) => STANDING.pose[joint])
      const middle = [(elbow[0] + shoulder[0]) / 2, (elbow[1] + shoulder[1]) / 2]
      await drag(page, middle, [shoulder[0] - 40, shoulder[1]])
      const [swung] = await promptPoses(page, id)
      assert.ok(Math.abs(swung[R_ELBOW][1] - shoulder[1]) < 3, `elbow at ${swung[R_ELBOW]}`)
      const length = (pose) => Math.hypot(pose[R_WRIST][0] - pose[R_ELBOW][0], pose[R_WRIST][1] - pose[R_ELBOW][1])
      assert.ok(Math.abs(length(swung) - length(STANDING.pose)) < 0.05)
      await page.keyboard.down('Shift')
      await drag(page, STANDING.pose[5], [240, 150])
      await page.keyboard.up('Shift')
      const [moved] = await promptPoses(page, id)
      assertPoses([[moved[6]]], [[[STANDING.pose[6][0] + 26, STANDING.pose[6][1] + 16]]])
      assert.deepEqual(wrist, STANDING.pose[R_WRIST])
    })

    test('a dragged wrist bends the elbow, with Alt it goes alone', async () => {
      await fresh()
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      assertPoses(await promptPoses(page, id), [WITH_WRIST_MOVED])
      await page.keyboard.down('Alt')
      await drag(page, TARGET, STANDING.pose[R_WRIST])
      await page.keyboard.up('Alt')
      assertPoses(await promptPoses(page, id), [WITH_WRIST_MOVED.with(R_WRIST, STANDING.pose[R_WRIST])])
    })

    test('keys edit the pose and do nothing to the graph', async () => {
      await fresh()
      await page.locator(`.cfld-pose-editor [data-action=enlarge]`).focus()
      await press(page, 'Tab')
      await press(page, ']', ']', ']', ']', ']', 'ArrowRight', 'Shift+ArrowUp')
      const [x, y] = STANDING.pose[R_WRIST]
      assertPoses(await promptPoses(page, id), [STANDING.pose.with(R_WRIST, [x + 1, y - 10])], 0)
      await page.evaluate((node) => window.app.canvas.selectNode(window.app.graph.getNodeById(node)), id)
      await press(page, 'Delete')
      assertPoses(await promptPoses(page, id), [STANDING.pose.with(R_WRIST, null)], 0)
      await press(page, 'Backspace', 'Control+b', 'Control+m', 'h')
      for (const sidebarKey of ['w', 'q', 'm', 'n', 'a']) await press(page, sidebarKey)
      assert.equal(await page.evaluate(() => window.app.extensionManager.sidebarTab.activeSidebarTabId), null)
      await press(page, 'Control+z', 'Control+z', 'Control+z')
      assert.deepEqual(await nodeIds(page), [String(id)])
      assert.equal(await page.evaluate((node) => window.app.graph.getNodeById(node).mode, id), 0)
      await page.evaluate((node) => void (window.sameNode = window.app.graph.getNodeById(node)), id)
      await press(page, 'Control+z', 'Control+z', 'Control+z', 'Control+z', 'Control+z')
      await settle(page)
      assert.equal(await storedText(page, id), '')
      await press(page, 'Control+Shift+z')
      assertPoses(await promptPoses(page, id), [STANDING.pose.with(R_WRIST, [x + 1, y])], 0)
      assert.ok(await page.evaluate((node) => window.sameNode === window.app.graph.getNodeById(node), id))
    })

    test('whole figure by keys and by its box; frames', async () => {
      await fresh()
      await page.locator(STAGE).focus()
      await press(page, 'Control+Shift+ArrowLeft', 'Control+d', 'm', 'PageUp')
      const shifted = STANDING.pose.map(([x, y]) => [x - 10, y])
      assertPoses(await promptPoses(page, id), [shifted, shifted], 0)
      await page.evaluate(() => {
        window.app.canvas.ds.scale = 0.7
        window.app.canvas.setDirty(true, true)
      })
      await settle(page)
      await press(page, 't', 't') // past the limbs
      await drag(page, [166, 200], [186, 230])
      const dragged = shifted.map(([x, y]) => [x + 20, y + 30])
      assertPoses(await promptPoses(page, id), [dragged, shifted], 1)
      await press(page, 't', 'Control+Delete')
      assertPoses(await promptPoses(page, id), [shifted], 0)
    })

    test('copy and paste of OpenPose JSON stay in the editor', async () => {
      await fresh()
      await page.evaluate((node) => {
        const { app } = window
        app.canvas.copyToClipboard([app.graph.getNodeById(node)]) // what a leaked Ctrl+V would paste
      }, id)
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      const { pose_json: copied } = await promptInputs(page, id)
      await press(page, 'Control+c', 'Shift+q')
      assert.notEqual((await promptInputs(page, id)).pose_json, copied)
      await press(page, 'Control+v')
      await settle(page)
      assert.equal((await promptInputs(page, id)).pose_json, copied)
      assert.deepEqual(await nodeIds(page), [String(id)])
      await press(page, 'ArrowLeft')
      assert.notEqual((await promptInputs(page, id)).pose_json, copied, 'the stage has the focus again')
    })

    test('a text with nobody in it is refused, and the figure stays', async () => {
      await fresh()
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      const before = await promptInputs(page, id)
      await clickAction(page, 'json')
      await page.locator('.cfld-pose-editor .sheet textarea').fill('[{"people": [], "canvas_width": 9, "canvas_height": 9}]')
      await page.getByRole('button', { name: 'Apply' }).click()
      await eventually(async () => assert.match(await page.locator('.cfld-pose-editor [role=alert]').innerText(), /nobody/))
      assert.deepEqual(await promptInputs(page, id), before)
      await page.locator('.cfld-pose-editor .sheet').getByRole('button', { name: 'Close' }).click()
    })

    test('presets', async () => {
      await fresh()
      await clickAction(page, 'presets')
      await page.locator('[data-preset=arms_up]').click()
      const answer = await fetch(`${real.server.address}/extensions/${real.server.packName}/poses/arms_up.json`)
      const [{ people }] = await answer.json()
      const numbers = people[0].pose_keypoints_2d
      const expected = STANDING.pose.map((_, joint) =>
        numbers[joint * 3 + 2] ? numbers.slice(joint * 3, joint * 3 + 2) : null
      )
      await eventually(async () => assertPoses(await promptPoses(page, id), [expected], 0))
    })

    test('saved and loaded, the same pose is drawn and sent', async () => {
      await fresh()
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      const prompt = await promptInputs(page, id)
      await page.evaluate(() => window.app.loadGraphData(JSON.parse(JSON.stringify(window.app.graph.serialize()))))
      await eventually(async () => assert.deepEqual(await promptInputs(page, id), prompt))
      await eventually(async () => assert.equal(await paintedAt(page, TARGET), colourOf(R_WRIST)))
      await drag(page, TARGET, STANDING.pose[R_WRIST])
      assertPoses(await promptPoses(page, id), [STANDING.pose])
    })

    test('a copied node has the pose and a life of its own', async () => {
      await fresh()
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      await page.evaluate((node) => {
        const { app } = window
        app.canvas.selectNode(app.graph.getNodeById(node))
        app.canvas.copyToClipboard()
        app.canvas.pasteFromClipboard()
      }, id)
      await eventually(async () => assert.equal((await nodeIds(page)).length, 2))
      const [, copy] = await nodeIds(page)
      assert.deepEqual(await promptInputs(page, copy), await promptInputs(page, id))
      await page.locator(STAGE).first().focus()
      await press(page, ']', 'ArrowRight')
      assert.notDeepEqual(await promptInputs(page, copy), await promptInputs(page, id))
    })

    test("the graph's undo takes back what was drawn, step by step, and redoes it", async () => {
      await fresh()
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      await drag(page, WITH_WRIST_MOVED[R_ELBOW], [90, 150])
      const holds = (expected) => eventually(async () => assertPoses(await promptPoses(page, id), expected))
      const isEmpty = () => eventually(async () => assert.equal(await storedText(page, id), ''))
      await undoGraph(page, 'Control+z')
      await holds([WITH_WRIST_MOVED])
      await eventually(async () => assert.equal(await paintedAt(page, TARGET), colourOf(R_WRIST)))
      await undoGraph(page, 'Control+z')
      await isEmpty()
      await undoGraph(page, 'Control+y')
      await holds([WITH_WRIST_MOVED])
      await eventually(() => page.locator(STAGE).focus({ timeout: 500 }))
      await press(page, ']', 'Shift+ArrowRight')
      await settle(page)
      await holds([WITH_WRIST_MOVED.with(0, [186, 90])])
      await undoGraph(page, 'Control+z')
      await holds([WITH_WRIST_MOVED])
    })

    test('a canvas of another size takes the figure along, undistorted', async () => {
      await fresh()
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      await page.evaluate((node) => {
        const width = window.app.graph.getNodeById(node).widgets.find(({ name }) => name === 'width')
        width.value = 704
        width.callback(704)
      }, id)
      await settle(page)
      assertPoses(await promptPoses(page, id), [WITH_WRIST_MOVED.map(([x, y]) => [x + 176, y])])
      const wide = { width: 704, height: 512 }
      assert.equal(await paintedAt(page, [TARGET[0] + 176, TARGET[1]], wide), colourOf(R_WRIST))
      await page.locator(STAGE).focus()
      await press(page, 'Control+z')
      const inputs = await promptInputs(page, id)
      assert.equal(inputs.width, 352)
      assertPoses(await promptPoses(page, id), [WITH_WRIST_MOVED])
    })

    test('a connected pose is passed on until something is drawn', async () => {
      await fresh()
      await page.evaluate((node) => {
        const { app, LiteGraph } = window
        const loader = LiteGraph.createNode('CFLDLoadPose')
        app.graph.add(loader)
        const editor = app.graph.getNodeById(node)
        loader.connect(0, editor, editor.inputs.findIndex(({ name }) => name === 'pose'))
      }, id)
      await eventually(async () => assert.equal((await promptInputs(page, id)).pose_json, ''))
    })

    test('the picture connected to background is there to trace', async () => {
      await fresh()
      await putInput(real.server, 'green.png', GREEN_PNG)
      await connectPicture(page, id, 'green.png')
      await isGreen(page)
    })

    test('the large editor edits the same pose and gives the stage back', async () => {
      await fresh()
      await page.locator(STAGE).focus()
      await press(page, 'Enter')
      await page.locator('.cfld-pose-editor dialog[open]').waitFor()
      await settle(page)
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      await page.getByLabel('left ear visible').uncheck()
      assertPoses(await promptPoses(page, id), [WITH_WRIST_MOVED.with(17, null)])
      await page.locator(STAGE).focus()
      await press(page, 'Escape')
      await page.locator('.cfld-pose-editor dialog[open]').waitFor({ state: 'detached' })
      await eventually(async () => assert.equal(await paintedAt(page, TARGET), colourOf(R_WRIST)))
      assert.deepEqual(await nodeIds(page), [String(id)])
    })

    test('the wheel zooms the stage, focused or not, and never the graph', async () => {
      await fresh()
      const zoom = () => page.evaluate(() => window.app.canvas.ds.scale)
      await drag(page, STANDING.pose[R_WRIST], TARGET) // stored, and so painted in full colours
      const isWhole = async () => (await paintedAt(page, TARGET)) === colourOf(R_WRIST)
      assert.ok(await isWhole())
      const [x, y] = await windowPoint(page, [176, 256])
      await page.mouse.move(x, y)
      await page.locator(STAGE).focus()
      await page.mouse.wheel(0, -300)
      await settle(page)
      assert.equal(await zoom(), 1)
      assert.ok(!(await isWhole()))
      await clickAction(page, 'fit')
      await page.locator(STAGE).blur()
      assert.ok(await isWhole())
      await page.mouse.move(x, y)
      await page.mouse.wheel(0, -120)
      await settle(page)
      assert.ok(!(await isWhole()))
      assert.equal(await zoom(), 1)
    })

    test('the server draws the pose where the editor drew it', async () => {
      await fresh()
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      const colour = await page.evaluate(
        async ({ node, at }) => {
          const { app, LiteGraph } = window
          const preview = LiteGraph.createNode('PreviewImage')
          app.graph.add(preview)
          app.graph.getNodeById(node).connect(1, preview, 0)
          const shown = new Promise((done) => app.api.addEventListener('executed', ({ detail }) => done(detail)))
          await app.queuePrompt(0)
          const [{ filename, subfolder, type }] = (await shown).output.images
          const picture = new Image()
          picture.src = app.api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`)
          await picture.decode()
          const canvas = new OffscreenCanvas(picture.width, picture.height)
          const context = canvas.getContext('2d')
          context.drawImage(picture, 0, 0)
          return [...context.getImageData(...at, 1, 1).data].slice(0, 3)
        },
        { node: id, at: TARGET }
      )
      assert.equal(`rgb(${colour.join(',')})`, colourOf(R_WRIST))
    })
  })

  test('the renderer can be changed while the page is open', async () => {
    await saveSettings(real.server.address, { 'Comfy.VueNodes.Enabled': false })
    const { page, errors } = await openPage(real.browser, real.server)
    const id = await addEditor(page)
    for (const [isVue, target] of [[true, TARGET], [false, STANDING.pose[R_WRIST]]]) {
      const [before] = await promptPoses(page, id).catch(() => [STANDING.pose])
      await page.evaluate((value) => window.app.extensionManager.setting.set('Comfy.VueNodes.Enabled', value), isVue)
      await eventually(async () => {
        await drag(page, before[R_WRIST], target)
        assertPoses([[(await promptPoses(page, id))[0][R_WRIST]]], [[target]])
      })
    }
    await page.context().close()
    assert.deepEqual(errors, [])
  })

  test('the help page is served where the page looks for it', async () => {
    const answer = await fetch(`${real.server.address}/extensions/${real.server.packName}/docs/CFLDPoseEditor.md`)
    assert.equal(answer.status, 200)
    assert.ok(!answer.headers.get('content-type')?.includes('html'))
    assert.match(await answer.text(), /^# Pose Editor/)
  })
})
