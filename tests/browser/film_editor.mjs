/** Frames of the pose editor in the real page, one PNG each, into the folder given: what benchmarks/make_pictures.py films. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { addEditor, clickAction, handlePoint, promptPoses, settle, windowPoint } from './editor.mjs'
import { missingBrowser, openPage, startBrowser } from './page.mjs'
import { missingHost, startServer } from './server.mjs'
import { STANDING } from '../../web/js/pose_editor/skeleton.js'

const FOLDER = process.argv[2]
const STEPS = 6 // frames of a drag
const TURN = 70 // pixels of the ring to the side
const [R_ELBOW, R_WRIST, R_KNEE, R_ANKLE] = [3, 4, 9, 10]

const missing = missingHost() || (await missingBrowser())
if (missing) throw new Error(missing)
mkdirSync(FOLDER, { recursive: true })
const server = await startServer()
const browser = await startBrowser()
try {
  const { page } = await openPage(browser, server, { width: 900, height: 800 })
  const id = await addEditor(page, [150, 60])
  await page.evaluate(showPointer)
  let count = 0
  const editor = page.locator('.cfld-pose-editor')
  const shoot = async (times = 1) => {
    await settle(page)
    for (; times > 0; times--) await editor.screenshot({ path: join(FOLDER, `${String(count++).padStart(3, '0')}.png`) })
  }
  const dragJoint = async (joint, to) => {
    const from = STANDING.pose[joint]
    await page.mouse.move(...(await windowPoint(page, from)))
    await page.mouse.down()
    for (let step = 1; step <= STEPS; step++) {
      const share = step / STEPS
      await page.mouse.move(...(await windowPoint(page, from.map((x, axis) => x + (to[axis] - x) * share))))
      await shoot()
    }
    await page.mouse.up()
  }
  await shoot(3)
  await dragJoint(R_ELBOW, [105, 145])
  await dragJoint(R_WRIST, [85, 70])
  await dragJoint(R_KNEE, [100, 350])
  await dragJoint(R_ANKLE, [90, 440])
  await shoot(2)
  await clickAction(page, 'figure')
  const [pose] = await promptPoses(page, id)
  const [x, y] = await handlePoint(page, pose, 'spaceHandle')
  await page.mouse.move(x, y)
  await page.mouse.down()
  for (let step = 1; step <= 2 * STEPS; step++) {
    await page.mouse.move(x + (TURN * step) / (2 * STEPS), y)
    await shoot()
  }
  await page.mouse.up()
  await shoot(5)
} finally {
  await browser.close()
  await server.stop()
}

/** Headless Chromium paints no mouse pointer. */
function showPointer() {
  const pointer = document.createElement('div')
  pointer.style.cssText =
    'position:fixed;z-index:99999;pointer-events:none;width:16px;height:16px;margin:-8px;border-radius:50%;border:2px solid #fff;background:#0008'
  document.body.append(pointer)
  addEventListener('pointermove', ({ clientX, clientY }) => {
    pointer.style.left = `${clientX}px`
    pointer.style.top = `${clientY}px`
  }, true)
}
