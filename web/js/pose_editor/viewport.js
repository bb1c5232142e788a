/**
 * Where the pose canvas lies on the stage, the part of the editor it is drawn in. A view is what the user chose,
 * {zoom, pan: [x, y]}; a viewport is what follows for one size of the stage: canvas pixels times `scale` plus
 * (`left`, `top`) are stage pixels.
 */
import { boundsOf, centreOf } from './geometry.js'

/** Of one press of a button or key. */
export const ZOOM_STEP = 1.25
const MARGIN = 10
const SMALLEST_ZOOM = 0.4
const LARGEST_ZOOM = 16
const BOX_PADDING = 16
const HANDLE_DISTANCE = 26
const HANDLE_EDGE = 16
const HANDLE_GAP = 40

export const WHOLE_CANVAS = { zoom: 1, pan: [0, 0] }

export function viewportOf(view, canvas, stage, margin = MARGIN) {
  const fitting = Math.min((stage.width - 2 * margin) / canvas.width, (stage.height - 2 * margin) / canvas.height)
  const scale = Math.max(fitting, 1e-6) * view.zoom
  return {
    scale,
    left: (stage.width - canvas.width * scale) / 2 + view.pan[0],
    top: (stage.height - canvas.height * scale) / 2 + view.pan[1]
  }
}

export const toCanvas = ({ scale, left, top }, [x, y]) => [(x - left) / scale, (y - top) / scale]

export const toStage = ({ scale, left, top }, [x, y]) => [x * scale + left, y * scale + top]

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

export const panBy = (view, [dx, dy]) => ({ zoom: view.zoom, pan: [view.pan[0] + dx, view.pan[1] + dy] })

/**
 * The frame around a figure with its handles, in stage pixels; null where no joint is visible. The round handles, above
 * to turn it in the plane and below to turn it in space, are on the stage wherever the figure is.
 */
export function figureBox(pose, viewport, stage) {
  const bounds = boundsOf(pose)
  if (!bounds) return null
  const [left, top] = toStage(viewport, [bounds.left, bounds.top]).map((side) => side - BOX_PADDING)
  const [right, bottom] = toStage(viewport, [bounds.right, bounds.bottom]).map((side) => side + BOX_PADDING)
  const middle = within((left + right) / 2, stage.width)
  const lower = Math.max(within(bottom + HANDLE_DISTANCE, stage.height), HANDLE_EDGE + HANDLE_GAP)
  const upper = Math.min(within(top - HANDLE_DISTANCE, stage.height), lower - HANDLE_GAP)
  return {
    left, top, right, bottom,
    centre: centreOf(bounds),
    turnHandle: [middle, upper],
    spaceHandle: [middle, lower],
    corners: [[left, top], [right, top], [right, bottom], [left, bottom]]
  }
}

/**
 * What of a figure's box lies under a stage point: {part: 'turn' | 'space' | 'corner' | 'inside', corner?}, or null. The
 * nearest handle within `reach` comes first; that for space only where `canTurn`.
 */
export function figurePartAt(box, [x, y], reach, canTurn) {
  const distance = ([px, py]) => Math.hypot(px - x, py - y)
  const handles = [
    { part: 'turn', away: distance(box.turnHandle) },
    { part: 'space', away: canTurn ? distance(box.spaceHandle) : Infinity },
    ...box.corners.map((place, corner) => ({ part: 'corner', corner, away: distance(place) }))
  ]
  const { away, ...nearest } = handles.reduce((one, other) => (other.away < one.away ? other : one))
  if (away <= reach) return nearest
  const isInside = x >= box.left && x <= box.right && y >= box.top && y <= box.bottom
  return isInside ? { part: 'inside' } : null
}

const within = (place, size) => Math.min(Math.max(place, HANDLE_EDGE), size - HANDLE_EDGE)
