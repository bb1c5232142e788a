/** Drives the pose editor on the page as a user does, and reads what it stored and painted. */
import assert from 'node:assert/strict'

import { WHOLE_CANVAS, figureBox, toStage, viewportOf } from '../../web/js/pose_editor/viewport.js'
import { openEmptyGraph } from './page.mjs'

export const EDITOR = '.cfld-pose-editor'
export const STAGE = `${EDITOR} .stage`
/** A picture of one green pixel. */
export const GREEN_PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNg+M8AAAICAQBF9FLUAAAAAElFTkSuQmCC',
  'base64'
)

/** A canvas pixel over which a square picture, whole and in the middle of the canvas, lies. */
export const IN_PICTURE = [20, 100]

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

/** A new pose editor alone in a new graph; returns its id. */
export async function freshEditor(page) {
  await openEmptyGraph(page)
  return addEditor(page)
}

/** Connects a Load Image node with a picture of the input folder to an editor's `background`; `place` is its pos and size. */
export function connectPicture(page, editor, name, place = { pos: [60, 150] }) {
  return page.evaluate(([id, name, place]) => {
    const { app, LiteGraph } = window
    const loader = Object.assign(LiteGraph.createNode('LoadImage'), place)
    app.graph.add(loader)
    loader.widgets.find((widget) => widget.name === 'image').value = name
    const node = app.graph.getNodeById(id)
    loader.connect(0, node, node.inputs.findIndex((input) => input.name === 'background'))
  }, [editor, name, place])
}

/** Waits until GREEN_PNG is what is traced. */
export function isGreen(page) {
  return eventually(async () => {
    const [red, green] = (await paintedAt(page, IN_PICTURE)).match(/\d+/g).map(Number)
    assert.ok(green > 100 && red < 30, `${red}, ${green}`)
  })
}

/** The inputs of a node in the prompt that the page would send. */
export async function promptInputs(page, id) {
  const { output } = await page.evaluate(() => window.app.graphToPrompt())
  return output[id].inputs
}

/** The text that the workflow keeps: '' while the figure shown is only the starting point. */
export function storedText(page, id) {
  return page.evaluate((node) => {
    const { widgets } = window.app.graph.getNodeById(node)
    return widgets.find(({ name }) => name === 'pose_json').value
  }, id)
}

/** The poses in the prompt, as `posesIn` gives them. */
export async function promptPoses(page, id) {
  return posesIn((await promptInputs(page, id)).pose_json)
}

/** The first person's pose in each frame of JSON text: 18 times [x, y] or null. */
export function posesIn(text) {
  return JSON.parse(text).map(({ people: [{ pose_keypoints_2d: numbers }] }) =>
    Array.from({ length: 18 }, (_, joint) => (numbers[joint * 3 + 2] ? numbers.slice(joint * 3, joint * 3 + 2) : null))
  )
}

/** Where a canvas pixel is in the browser window. The view must be the whole canvas. */
export function windowPoint(page, point, canvas = { width: 352, height: 512 }) {
  return inWindow(page, (size) => toStage(viewportOf(WHOLE_CANVAS, canvas, size), point))
}

/** Where a handle of a figure is: 'turnHandle', 'spaceHandle'. */
export function handlePoint(page, pose, handle, canvas = { width: 352, height: 512 }) {
  return inWindow(page, (size) => figureBox(pose, viewportOf(WHOLE_CANVAS, canvas, size), size)[handle])
}

/** place: the size of the stage -> a point of it. */
async function inWindow(page, place) {
  const { box, size } = await page.locator(STAGE).evaluate((stage) => ({
    box: stage.getBoundingClientRect().toJSON(),
    size: { width: stage.clientWidth, height: stage.clientHeight }
  }))
  const [x, y] = place(size)
  return [box.x + (x * box.width) / size.width, box.y + (y * box.height) / size.height]
}

/** Drags with the real mouse from one point of the window to another. */
export async function dragInWindow(page, start, end) {
  await page.mouse.move(...start)
  await page.mouse.down()
  await page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
  await page.mouse.move(...end)
  await page.mouse.up()
  await settle(page)
}

/** Puts fingers down at points of the window, moves each to another, and lifts them. */
export async function touch(page, starts, ends = starts) {
  const client = await page.context().newCDPSession(page)
  const send = (type, points) =>
    client.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) })
  const at = (share) => starts.map((start, index) => start.map((place, axis) => place + (ends[index][axis] - place) * share))
  await send('touchStart', starts)
  if (ends !== starts) for (const share of [0.25, 0.5, 0.75, 1]) await send('touchMove', at(share))
  await send('touchEnd', [])
  await client.detach()
  await settle(page)
}

/** Drags with the real mouse from one canvas pixel to another. */
export async function drag(page, from, to, canvas) {
  await dragInWindow(page, await windowPoint(page, from, canvas), await windowPoint(page, to, canvas))
}

/** Lets the editor draw and the page take note. */
export function settle(page) {
  return page.evaluate(() => new Promise((done) => setTimeout(done, 80)))
}

/** Runs a check until it holds: for what the page does in its own time. */
export async function eventually(check, patience = 30_000) {
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

/** Undo or redo of the whole graph, with the focus on it. */
export async function undoGraph(page, keys) {
  await page.locator('#graph-canvas').focus()
  await press(page, keys)
  await settle(page)
  await page.waitForFunction(() => {
    const { changeTracker } = window.app.extensionManager.workflow.activeWorkflow
    return !changeTracker._restoringState
  })
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

export const colourOf = (joint) => `rgb(${JOINT_RGB[joint].join(',')})`

/** OpenPose's, red green blue. */
const JOINT_RGB = [
  [255, 0, 0], [255, 85, 0], [255, 170, 0], [255, 255, 0], [170, 255, 0], [85, 255, 0], [0, 255, 0], [0, 255, 85],
  [0, 255, 170], [0, 255, 255], [0, 170, 255], [0, 85, 255], [0, 0, 255], [85, 0, 255], [170, 0, 255], [255, 0, 255],
  [255, 0, 170], [255, 0, 85]
]
