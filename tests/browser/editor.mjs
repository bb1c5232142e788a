/** Drives the pose editor on the page as a user does, and reads what it stored and painted. */
import { JOINT_COLOURS } from '../../web/js/pose_editor/skeleton.js'
import { WHOLE_CANVAS, toStage, viewportOf } from '../../web/js/pose_editor/viewport.js'

export const STAGE = '.cfld-pose-editor .stage'

/** A new pose editor in the graph; returns its id. The graph is shown at full size with the node in the middle. */
export function addEditor(page, position = [420, 150]) {
  return page.evaluate(async (pos) => {
    const { app, LiteGraph } = window
    const node = LiteGraph.createNode('CFLDPoseEditor')
    node.pos = pos
    app.graph.add(node)
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [0, 0]
    app.canvas.setDirty(true, true)
    await new Promise((done) => setTimeout(done, 500))
    // A step of the graph's undo, as it is after adding a node by hand; the page merges what follows too quickly.
    app.canvas.emitBeforeChange()
    app.canvas.emitAfterChange()
    await new Promise((done) => setTimeout(done, 100))
    return node.id
  }, position)
}

/** The inputs of a node in the prompt that the page would send. */
export async function promptInputs(page, id) {
  const { output } = await page.evaluate(() => window.app.graphToPrompt())
  return output[id].inputs
}

/** The poses in the prompt: for each frame 18 times [x, y] or null. */
export async function promptPoses(page, id) {
  const { pose_json: text } = await promptInputs(page, id)
  return JSON.parse(text).map(({ people: [{ pose_keypoints_2d: numbers }] }) =>
    Array.from({ length: 18 }, (_, joint) => (numbers[joint * 3 + 2] ? numbers.slice(joint * 3, joint * 3 + 2) : null))
  )
}

/** Where a canvas pixel is in the browser window. The view must be the whole canvas. */
export async function windowPoint(page, point, canvas = { width: 352, height: 512 }) {
  const { box, size } = await page.locator(STAGE).evaluate((stage) => ({
    box: stage.getBoundingClientRect().toJSON(),
    size: { width: stage.clientWidth, height: stage.clientHeight }
  }))
  const [x, y] = toStage(viewportOf(WHOLE_CANVAS, canvas, size), point)
  return [box.x + (x * box.width) / size.width, box.y + (y * box.height) / size.height]
}

/** Drags with the real mouse from one canvas pixel to another. */
export async function drag(page, from, to, canvas) {
  const [start, end] = [await windowPoint(page, from, canvas), await windowPoint(page, to, canvas)]
  await page.mouse.move(...start)
  await page.mouse.down()
  await page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
  await page.mouse.move(...end)
  await page.mouse.up()
  await settle(page)
}

/** Lets the editor draw and the page take note. */
export function settle(page) {
  return page.evaluate(() => new Promise((done) => setTimeout(done, 80)))
}

/** Runs a check until it holds: for what the page does in its own time. */
export async function eventually(check, patience = 8_000) {
  const end = Date.now() + patience
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise((done) => setTimeout(done, 100))
    }
  }
}

export function press(page, ...keys) {
  return keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve())
}

export function clickAction(page, action) {
  return page.locator(`.cfld-pose-editor [data-action=${action}]`).click()
}

/** The colour painted on the stage at a canvas pixel, as 'rgb(r,g,b)'. */
export async function paintedAt(page, point, canvas) {
  const at = await windowPoint(page, point, canvas)
  return page.locator(`${STAGE} canvas`).evaluate((picture, [x, y]) => {
    const box = picture.getBoundingClientRect()
    const ratio = picture.width / box.width
    const place = [(x - box.x) * ratio, (y - box.y) * ratio].map(Math.round)
    const [r, g, b] = picture.getContext('2d').getImageData(...place, 1, 1).data
    return `rgb(${r},${g},${b})`
  }, at)
}

export const colourOf = (joint) => JOINT_COLOURS[joint]
