import assert from 'node:assert/strict'
import { test } from 'node:test'

import { STANDING } from '../../web/js/pose_editor/skeleton.js'
import { fileParameters, upstreamPicture } from '../../web/js/pose_editor/tracing.js'
import {
  WHOLE_CANVAS, figureBox, figurePartAt, panBy, toCanvas, toStage, viewportOf, zoomAt
} from '../../web/js/pose_editor/viewport.js'

const CANVAS = { width: 352, height: 512 }
const STAGE = { width: 400, height: 400 }

test('the whole canvas is in view and in the middle at first', () => {
  const viewport = viewportOf(WHOLE_CANVAS, CANVAS, STAGE)
  const corners = [toStage(viewport, [0, 0]), toStage(viewport, [352, 512])]
  assert.ok(corners.flat().every((side) => side >= 0 && side <= 400))
  assert.ok(Math.abs(corners[0][0] + corners[1][0] - 400) < 1e-9)
})

test('stage and canvas coordinates are inverse to each other', () => {
  const viewport = viewportOf({ zoom: 2.5, pan: [13, -40] }, CANVAS, STAGE)
  const [x, y] = toCanvas(viewport, toStage(viewport, [12, 345]))
  assert.ok(Math.hypot(x - 12, y - 345) < 1e-9)
})

test('zooming keeps the pixel under the pointer, panning moves it by as much', () => {
  const at = [333, 71]
  const view = panBy(WHOLE_CANVAS, [9, 5])
  const before = toCanvas(viewportOf(view, CANVAS, STAGE), at)
  const after = toCanvas(viewportOf(zoomAt(view, 3, at, STAGE), CANVAS, STAGE), at)
  assert.ok(Math.hypot(before[0] - after[0], before[1] - after[1]) < 1e-9)
  assert.equal(zoomAt(view, 1e9, at, STAGE).zoom, 16)
})

test("a figure's box is hit at its handles, inside, and not outside", () => {
  const viewport = viewportOf(WHOLE_CANVAS, CANVAS, STAGE)
  const box = figureBox(STANDING.pose, viewport, STAGE)
  assert.deepEqual(figurePartAt(box, box.turnHandle, 8, true), { part: 'turn' })
  assert.deepEqual(figurePartAt(box, box.spaceHandle, 8, true), { part: 'space' })
  assert.notDeepEqual(figurePartAt(box, box.spaceHandle, 8, false), { part: 'space' })
  assert.deepEqual(figurePartAt(box, box.corners[2], 8, true), { part: 'corner', corner: 2 })
  assert.deepEqual(figurePartAt(box, [200, 200], 8, true), { part: 'inside' })
  assert.equal(figurePartAt(box, [2, 398], 8, true), null)
  assert.equal(figureBox(STANDING.pose.map(() => null), viewport, STAGE), null)
})

test('the round handles are on the stage and apart, wherever the figure is', () => {
  for (const pan of [[0, 0], [0, 4000], [-4000, -4000], [300, -390]]) {
    for (const zoom of [0.4, 1, 16]) {
      const { turnHandle, spaceHandle } = figureBox(STANDING.pose, viewportOf({ zoom, pan }, CANVAS, STAGE), STAGE)
      const places = [...turnHandle, ...spaceHandle]
      assert.ok(places.every((place) => place >= 16 && place <= 384), `${places} at ${pan}, ${zoom}`)
      assert.ok(spaceHandle[1] - turnHandle[1] >= 24)
    }
  }
})

test("Load Image's file names become the parameters of /view", () => {
  assert.equal(String(fileParameters('a b.png')), 'filename=a+b.png&subfolder=&type=input')
  assert.equal(String(fileParameters('x/y/a.png [output]')), 'filename=a.png&subfolder=x%2Fy&type=output')
})

test('the picture upstream is found through reroutes, by file name or by preview', () => {
  const nodes = {
    file: { widgets: [{ name: 'image', value: 'a.png' }] },
    reroute: { type: 'Reroute', inputs: [{}] },
    preview: { imgs: [{ src: 'shown' }] },
    other: {}
  }
  const links = new Map([[1, { origin_id: 'file', target_id: 'reroute', target_slot: 0 }]])
  const graph = { links, getNodeById: (id) => nodes[id] }
  for (const [id, node] of Object.entries(nodes)) Object.assign(node, { id, graph, isSubgraphNode: () => false })
  const upstream = (origin) => {
    links.delete(2)
    if (origin) links.set(2, { origin_id: origin, target_id: '7', target_slot: 0 })
    return upstreamPicture({ id: 7, graph, inputs: [{ name: 'background' }] }, 'background', String)
  }
  assert.match(upstream('reroute'), /filename=a.png/)
  assert.equal(upstream('preview'), 'shown')
  assert.equal(upstream('other'), null)
  assert.equal(upstream(null), null)
})
