/**
 * Where the pose canvas lies on the stage, the part of the editor it is drawn in. A view is what the user chose,
 * {zoom, pan: [x, y]}; a viewport is what follows for one size of the stage: canvas pixels times `scale` plus
 * (`left`, `top`) are stage pixels.
 */
import { boundsOf, centreOf } from './geometry.js'

const MARGIN = 10
const SMALLEST_ZOOM = 0.4
const LARGEST_ZOOM = 16
const BOX_PADDING = 16
const TURN_HANDLE_DISTANCE = 26

export const WHOLE_CANVAS = { zoom: 1, pan: [0, 0] }

export function viewportOf(view, canvas, stage) {
  const fitting = Math.min((stage.width - 2 * MARGIN) / canvas.width, (stage.height - 2 * MARGIN) / canvas.height)
  const scale = Math.max(fitting, 0.01) * view.zoom
  return {
    scale,
    left: (stage.width - canvas.width * scale) / 2 + view.pan[0],
    top: (stage.height - canvas.height * scale) / 2 + view.pan[1]
  }
}

export function toCanvas({ scale, left, top }, [x, y]) {
  return [(x - left) / scale, (y - top) / scale]
}

export function toStage({ scale, left, top }, [x, y]) {
  return [x * scale + left, y * scale + top]
}

/** The view zoomed by `factor` so that the canvas pixel under the stage point stays there. */
export function zoomAt(view, factor, point, stage) {
  const zoom = Math.min(Math.max(view.zoom * factor, SMALLEST_ZOOM), LARGEST_ZOOM)
  const change = zoom / view.zoom
  const middle = [stage.width / 2, stage.height / 2]
  const pan = view.pan.map((offset, axis) => {
    const fromMiddle = point[axis] - middle[axis]
    return fromMiddle - (fromMiddle - offset) * change
  })
  return { zoom, pan }
}

export function panBy(view, [dx, dy]) {
  return { zoom: view.zoom, pan: [view.pan[0] + dx, view.pan[1] + dy] }
}

/** The frame around a figure with its handles, in stage pixels; null where no joint is visible. */
export function figureBox(pose, viewport) {
  const bounds = boundsOf(pose)
  if (!bounds) return null
  const [left, top] = toStage(viewport, [bounds.left, bounds.top]).map((side) => side - BOX_PADDING)
  const [right, bottom] = toStage(viewport, [bounds.right, bounds.bottom]).map((side) => side + BOX_PADDING)
  const middle = (left + right) / 2
  return {
    left, top, right, bottom,
    centre: centreOf(bounds),
    turnHandle: [middle, top - TURN_HANDLE_DISTANCE > 8 ? top - TURN_HANDLE_DISTANCE : top + TURN_HANDLE_DISTANCE],
    corners: [[left, top], [right, top], [right, bottom], [left, bottom]]
  }
}

/** What of a figure's box lies under a stage point: {part: 'turn' | 'corner' | 'inside', corner?}, or null. */
export function figurePartAt(box, [x, y], reach) {
  const isNear = ([px, py]) => Math.hypot(px - x, py - y) <= reach
  if (isNear(box.turnHandle)) return { part: 'turn' }
  const corner = box.corners.findIndex(isNear)
  if (corner >= 0) return { part: 'corner', corner }
  const isInside = x >= box.left && x <= box.right && y >= box.top && y <= box.bottom
  return isInside ? { part: 'inside' } : null
}
