/** The editor's stage by mouse, keyboard and touch: several people, turning in space, zoom, people from a picture. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { createLifter, readSafetensors } from '../../web/js/pose_editor/lifter.js'
import { newPerson } from '../../web/js/pose_editor/people.js'
import { STANDING } from '../../web/js/pose_editor/skeleton.js'
import { bendLimb } from '../../web/js/pose_editor/geometry.js'
import { turnPerson } from '../../web/js/pose_editor/turning.js'
import {
  GREEN_PNG, STAGE, clickAction, colourOf, connectPicture, drag, dragInWindow, eventually, freshEditor, handlePoint, paintedAt, press,
  promptInputs, promptPoses, settle, storedText, touch, windowPoint
} from './editor.mjs'
import { PYTHON, putInput } from './server.mjs'
import { describeInPage, inEachRenderer } from './suites.mjs'

const [R_ELBOW, R_WRIST] = [3, 4]
const TARGET = [60, 180]
const BESIDE = STANDING.pose.map(([x, y]) => [250 + x / 4, 300 + y / 4])
const body = (pose) => pose.flatMap(([x, y]) => [x, y, 1])
/** Somebody with all that other tools write. */
// As the server writes metres.
const tenthOfAMillimetre = (metres) => Math.round(metres * 1e4) / 1e4
const OTHER = {
  person_id: [3], pose_keypoints_2d: body(BESIDE), hand_left_keypoints_2d: Array.from({ length: 63 }, (_, k) => k / 7 + 1),
  face_keypoints_2d: Array.from({ length: 210 }, (_, k) => k / 3 + 1),
  pose_keypoints_3d: BESIDE.flatMap(([x, y], joint) => [...[x / 99, y / 99, joint / 50].map(tenthOfAMillimetre), 1])
}
const TWO = [{ canvas_width: 352, canvas_height: 512, people: [{ pose_keypoints_2d: body(STANDING.pose) }, OTHER] }]
/** Stored, and so painted in full colours. */
const ONE = [{ canvas_width: 352, canvas_height: 512, people: [{ pose_keypoints_2d: body(STANDING.pose) }] }]
const file = readFileSync(new URL('../../web/lifter/lifter.safetensors', import.meta.url))
const lifter = createLifter(readSafetensors(file.buffer.slice(file.byteOffset, file.byteOffset + file.length)))
const turned = (angle, tilt) => turnPerson(newPerson(STANDING.pose), STANDING, lifter, angle, tilt).pose

/** Why nobody can be found in a picture here, or ''; else the host's Python writes a picture of dots and weights that see it. */
function writeDots(folder) {
  const annotators = join(folder, 'models', 'annotators')
  mkdirSync(annotators, { recursive: true })
  const code =
    'import sys, dot_network as dots; from pathlib import Path; from PIL import Image; ' +
    'dots.save(Path(sys.argv[1]), dots.dot_state()); ' +
    'people = [dots.STANDING + (20, 120), dots.STANDING * 0.8 + (450, 220)]; ' +
    "Image.fromarray((dots.picture(people, 900, 800)[0].numpy() * 255).astype('uint8')).save(sys.argv[2])"
  const cwd = fileURLToPath(new URL('../host', import.meta.url))
  try {
    execFileSync(PYTHON, ['-W', 'ignore', '-c', code, annotators, join(folder, 'input', 'dots.png')], { cwd, stdio: 'pipe' })
    return ''
  } catch (error) {
    if (String(error.stderr).includes("No module named 'controlnet_aux'")) return 'controlnet_aux is not installed'
    throw error
  }
}

function assertPose(actual, expected, tolerance = 0.6) {
  actual.forEach((point, joint) => {
    const wanted = expected[joint]
    const isClose = point && wanted ? Math.hypot(point[0] - wanted[0], point[1] - wanted[1]) <= tolerance : point === wanted
    assert.ok(isClose, `joint ${joint}: ${point} is not ${wanted}`)
  })
}

describeInPage("the pose editor's stage", (real) => {
  inEachRenderer(real, (opened, isVue) => {
    let page, id
    before(() => ({ page } = opened))

    const fresh = async (frames) => {
      id = await freshEditor(page)
      if (!frames) return
      await page.evaluate(([node, text]) => {
        const widget = window.app.graph.getNodeById(node).widgets.find(({ name }) => name === 'pose_json')
        widget.value = text
        widget.callback(text)
      }, [id, JSON.stringify(frames)])
      await settle(page)
    }
    const people = async () => JSON.parse((await promptInputs(page, id)).pose_json)[0].people
    const pose = async () => (await promptPoses(page, id))[0]
    const graphView = () => page.evaluate(() => [window.app.canvas.ds.scale, ...window.app.canvas.ds.offset])
    const status = () => page.locator('.cfld-pose-editor [role=status]').innerText()
    const problem = () => page.locator('.cfld-pose-editor [role=alert]').innerText()
    const isWhole = async () => assert.equal(await paintedAt(page, STANDING.pose[R_WRIST]), colourOf(R_WRIST))

    test('somebody else is faded, chosen by a click or a tap, and kept as written', async () => {
      await fresh(TWO)
      assert.notEqual(await paintedAt(page, BESIDE[R_WRIST]), colourOf(R_WRIST))
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      assert.deepEqual((await people())[1], OTHER)
      const middle = await windowPoint(page, BESIDE[13])
      await page.mouse.click(...middle)
      await settle(page)
      assert.deepEqual((await people()).map(({ chosen }) => chosen), [undefined, true])
      assert.deepEqual((await people())[1], { ...OTHER, chosen: true })
      assert.equal(await paintedAt(page, BESIDE[R_WRIST]), colourOf(R_WRIST))
      await touch(page, [await windowPoint(page, STANDING.pose[13])])
      assert.deepEqual((await people()).map(({ chosen }) => chosen), [true, undefined])
      await page.locator(STAGE).focus()
      await press(page, '.')
      assert.deepEqual((await people()).map(({ chosen }) => chosen), [undefined, true])
      await press(page, 'Control+z')
      assert.deepEqual((await people()).map(({ chosen }) => chosen), [true, undefined])
    })

    test('people are added and deleted by buttons', async () => {
      await fresh()
      await clickAction(page, 'add-person')
      assert.equal((await people()).length, 2)
      await page.getByLabel('Person 1 of 2').click()
      assert.deepEqual((await people()).map(({ chosen }) => chosen), [true, undefined])
      await clickAction(page, 'remove-person')
      assert.equal((await people()).length, 1)
      assert.ok(await page.locator('.cfld-pose-editor [data-action=remove-person]').isDisabled())
    })

    for (const [means, turn] of [
      ['mouse', dragInWindow],
      ['a finger', (page, start, end) => touch(page, [start], [end])]
    ]) {
      test(`the lower ring turns the figure in space by ${means}, one step of undo`, async () => {
        await fresh()
        await clickAction(page, 'figure')
        const [x, y] = await handlePoint(page, STANDING.pose, 'spaceHandle')
        await turn(page, [x, y], [x + 60, y + 5])
        const [, right] = (await status()).match(/Turned (\d+)° towards the right/).map(Number)
        assert.ok(Math.abs(right - 60) <= 1, `${right} degrees`)
        assertPose(await pose(), turned(360 - right, 0), 0.02)
        assert.equal((await people())[0].pose_keypoints_3d.length, 72)
        await clickAction(page, 'undo')
        assert.equal(await storedText(page, id), '')
      })
    }

    test('keys turn, tilt, swing; what is turned back is as before', async () => {
      await fresh()
      await page.locator(STAGE).focus()
      await press(page, 'Shift+a', 'Shift+a', 'r')
      await eventually(async () => assert.match(await status(), /Seen from 1° above/))
      await press(page, 'f', 'Shift+d', 'Shift+d')
      assertPose(await pose(), STANDING.pose, 0.1)
      await press(page, ']', ']', ']', ']', 'Shift+l')
      const swung = await pose()
      assert.ok(Math.hypot(swung[R_WRIST][0] - STANDING.pose[R_WRIST][0], swung[R_WRIST][1] - STANDING.pose[R_WRIST][1]) > 5)
      const length = (points) => Math.hypot(points[4][0] - points[3][0], points[4][1] - points[3][1])
      assert.ok(Math.abs(length(swung) - length(STANDING.pose)) < 0.1)
    })

    test('a finger drags a joint, and a joint with its limb; a button hides the selected joint', async () => {
      await fresh()
      const at = (point) => windowPoint(page, point)
      await touch(page, [await at(STANDING.pose[R_WRIST])], [await at(TARGET)])
      const bent = bendLimb(STANDING.pose, R_WRIST, TARGET)
      assertPose(await pose(), bent)
      await clickAction(page, 'limbs')
      const [x, y] = bent[R_ELBOW]
      await touch(page, [await at([x, y])], [await at([x - 30, y + 10])])
      const moved = bent.with(R_ELBOW, [x - 30, y + 10]).with(R_WRIST, [TARGET[0] - 30, TARGET[1] + 10])
      assertPose(await pose(), moved)
      await clickAction(page, 'toggle')
      assertPose(await pose(), moved.with(R_ELBOW, null))
      await clickAction(page, 'toggle')
      assert.ok((await pose())[R_ELBOW])
    })

    test('two fingers zoom and pan the stage, not the graph, and move no joint', async () => {
      await fresh(ONE)
      const view = await graphView()
      const [x, y] = await windowPoint(page, STANDING.pose[R_WRIST])
      await touch(page, [[x - 30, y], [x + 30, y]], [[x - 70, y], [x + 70, y]])
      assert.equal(await paintedAt(page, STANDING.pose[R_WRIST]), colourOf(R_WRIST), 'between the fingers it stays')
      assert.notEqual(await paintedAt(page, STANDING.pose[13]), colourOf(13))
      await clickAction(page, 'fit')
      await isWhole()
      await touch(page, [[x, y], [x + 60, y]], [[x + 40, y + 30], [x + 100, y + 30]])
      assert.notEqual(await paintedAt(page, STANDING.pose[R_WRIST]), colourOf(R_WRIST))
      assert.deepEqual(await graphView(), view)
      assert.deepEqual(await people(), ONE[0].people)
    })

    test('buttons and keys zoom and pan; every button is large enough for a finger', async () => {
      await fresh(ONE)
      await isWhole()
      for (const change of [
        () => clickAction(page, 'zoom-in'), () => clickAction(page, 'zoom-out'), () => press(page, '+'),
        async () => {
          await page.keyboard.down(' ')
          await press(page, 'ArrowLeft')
          await page.keyboard.up(' ')
        }
      ]) {
        await page.locator(STAGE).focus()
        await change()
        await settle(page)
        assert.notEqual(await paintedAt(page, STANDING.pose[R_WRIST]), colourOf(R_WRIST))
        await clickAction(page, 'fit')
        await isWhole()
      }
      await clickAction(page, 'enlarge')
      await page.locator('.cfld-pose-editor dialog[open]').waitFor()
      const small = await page.locator('.cfld-pose-editor').evaluate((host) =>
        [...host.shadowRoot.querySelectorAll('button, input')]
          .map((control) => ({ name: control.ariaLabel ?? control.title, box: control.getBoundingClientRect() }))
          .filter(({ box }) => box.width && (box.width < 24 || box.height < 24))
          .map(({ name, box }) => `${name}: ${box.width} x ${box.height}`)
      )
      assert.deepEqual(small, [])
      await clickAction(page, 'close')
    })

    test('a picture opened from disk reaches the detector, whatever the page may fetch; a refusal ends the search', async () => {
      await fresh()
      await clickAction(page, 'background')
      await page.locator('.cfld-pose-editor .sheet [type=file]').setInputFiles({
        name: 'no picture.png', mimeType: 'image/png', buffer: GREEN_PNG
      })
      await page.locator('.cfld-pose-editor .sheet').getByRole('button', { name: 'Close', exact: true }).click()
      await clickAction(page, 'detect') // waits until it is enabled
      await eventually(async () => assert.match(await problem(), /^Detect Pose: |^Nobody was found/))
      assert.doesNotMatch(await status(), /Looking/)
    })

    test('the people in the picture to trace become the figures on it', async (context) => {
      await fresh()
      await putInput(real.server, 'plain.png', readFileSync(new URL('../../workflows/Turn around - turntable, all sides.jpg', import.meta.url)))
      const detect = page.locator('.cfld-pose-editor [data-action=detect]')
      assert.ok(await detect.isDisabled())
      if (!isVue) {
        await connectPicture(page, id, 'plain.png')
        await detect.click() // waits until it is enabled
        await eventually(async () => {
          assert.match(await problem(), /^Detect Pose: no detector is there.*pip download .* mediapipe==0\.10\.21$/)
        }, 60_000)
        assert.equal(await storedText(page, id), '')
      }
      const reason = writeDots(real.server.folder)
      if (reason) return context.skip(reason)
      await connectPicture(page, id, 'dots.png')
      await detect.click() // waits until it is enabled
      await eventually(async () => assert.match(await status(), /^People found in the picture: 2/), 120_000)
      const inputs = await promptInputs(page, id)
      assert.deepEqual([inputs.width, inputs.height], [900, 800])
      assert.equal((await people())[0].chosen ?? (await people())[1].chosen, true)
      const nose = (await pose())[0] ?? []
      const all = (await people()).map(({ pose_keypoints_2d: numbers }) => numbers.slice(0, 2))
      assert.ok(all.some(([x, y]) => Math.hypot(x - 170, y - 195) < 20), `${all}, ${nose}`)
      await page.locator(STAGE).focus()
      await press(page, 'Control+z')
      const { width, height } = await promptInputs(page, id)
      assert.deepEqual([await storedText(page, id), width, height], ['', 352, 512])
    })
  }, { screen: { hasTouch: true } })
})
