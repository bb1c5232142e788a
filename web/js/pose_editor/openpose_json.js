/**
 * OpenPose JSON to poses and back, by the same rules as the Python side (cfld_modules/poses/reading.py, which explains
 * them): the dialects of other tools are read, one canonical form is written. A frame is {width, height, pose}.
 */
import { inAnyOrder, inOrder } from './body_layouts.js'
import { MOST_FRAMES, PoseError, checkNumber, groupBy, readFrames } from './dialects.js'
import { boundsOf } from './geometry.js'
import { parsePythonValue } from './python_value.js'
import { JOINT_NAMES } from './skeleton.js'

export { PoseError }

const NORMALISED_REACH = 4
const HEAD_AND_SHOULDERS = [0, 1, 2, 5, 14, 15, 16, 17]
const MOST_NEGATIVE = 1 / 3
const NOBODY = JOINT_NAMES.map(() => null)

/**
 * JSON text -> frames, each with the largest person in it. Raises PoseError, also where nobody is in a frame or most of
 * the person outside its canvas.
 *
 * A frame without a canvas size is read on `canvas` where one is given, and is an error otherwise.
 */
export function decodePoses(text, canvas = null) {
  const frames = decode(text, canvas)
  frames.forEach(checkPlace)
  return frames.map(({ width, height, pose }) => ({ width, height, pose }))
}

/** What the editor stored: as `decodePoses`, but the figure is shown wherever it was dragged, and when all is hidden. */
export function decodeStored(text) {
  return decode(text, null)
}

/** Poses on one canvas -> the canonical JSON text: pixels to a hundredth, confidence 1, or 0,0,0 where hidden. */
export function encodePoses(poses, { width, height }) {
  const frames = poses.map((pose) => ({
    canvas_width: width,
    canvas_height: height,
    people: [{ pose_keypoints_2d: pose.flatMap((point) => (point ? [...point.map(toHundredth), 1] : [0, 0, 0])) }]
  }))
  return JSON.stringify(frames)
}

/** The bytes of a text file, in UTF-8 or UTF-16. */
export function decodeText(buffer) {
  const [first, second] = new Uint8Array(buffer)
  const isLittle = (first === 0xff && second === 0xfe) || second === 0
  const isBig = (first === 0xfe && second === 0xff) || first === 0
  return new TextDecoder(isLittle ? 'utf-16le' : isBig ? 'utf-16be' : 'utf-8').decode(buffer)
}

function toHundredth(number) {
  return Math.round(number * 100) / 100
}

function decode(text, canvas) {
  const frames = readFrames(parse(text), canvas)
  if (!frames.length) throw new PoseError('The list of frames is empty.')
  checkNumber(frames, MOST_FRAMES, 'frames', 'All together')
  const layouts = layoutsOf(frames.flatMap(({ people }) => people))
  return frames.map(({ where, width, height, people }) => {
    const poses = people.map((body) => poseOf(body, { width, height }, layouts))
    return { where, width, height, pose: largest(poses) }
  })
}

function parse(text) {
  const trimmed = text.replace(/^\ufeff/, '')
  try {
    return JSON.parse(trimmed)
  } catch (error) {
    try {
      return parsePythonValue(trimmed)
    } catch {
      throw new PoseError(`This is not valid JSON: ${error.message}`)
    }
  }
}

/** By number of points, the order of the bodies that tell theirs: a tool writes everybody in the same one. */
function layoutsOf(bodies) {
  const told = groupBy(bodies.filter(({ layout }) => layout), ({ points }) => points.length)
  const layouts = [...told].map(([count, group]) => [count, new Set(group.map(({ layout }) => layout))])
  return new Map(layouts.filter(([, set]) => set.size === 1).map(([count, [layout]]) => [count, layout]))
}

function poseOf({ where, points, layout }, { width, height }, layouts) {
  const order = layout ?? layouts.get(points.length)
  const pose = order ? inOrder(points, order) : inAnyOrder(points)
  if (!pose) {
    throw new PoseError(
      `${where}: the order of these ${points.length} points is not clear; in none that tools use (BODY_25, COCO's 17, ` +
        'the 18 of COCO order and toes) are they surely a person. Leave only the 18, 54 numbers.'
    )
  }
  const reach = Math.max(0, ...pose.flat().map((coordinate) => Math.abs(coordinate ?? 0)))
  if (reach > NORMALISED_REACH) return pose
  checkShares(pose.filter(Boolean), reach, where)
  return pose.map((point) => point && [point[0] * width, point[1] * height])
}

function checkShares(points, reach, where) {
  const negative = points.filter(([x, y]) => x < 0 || y < 0).length
  if (reach <= 1 && negative > MOST_NEGATIVE * points.length) {
    throw new PoseError(
      `${where}: the coordinates seem to be from -1 to 1. Wanted are pixels, or shares of the canvas from 0 to 1.`
    )
  }
}

function largest(poses) {
  const area = (pose) => {
    const box = boundsOf(pose)
    return box ? Math.max(1, box.right - box.left) * Math.max(1, box.bottom - box.top) : 0
  }
  return poses.reduce((best, pose) => (area(pose) > area(best) ? pose : best), NOBODY)
}

function checkPlace({ where, width, height, pose }) {
  const box = boundsOf(pose)
  if (!box) throw new PoseError(`${where}: nobody is in it, or not with a single sure point.`)
  const isOutside = ([x, y]) => x < 0 || y < 0 || x > width || y > height
  const points = pose.filter(Boolean)
  const outside = points.filter(isOutside).length
  const head = HEAD_AND_SHOULDERS.map((joint) => pose[joint]).filter(Boolean)
  const isCloseUp = 2 * head.length >= HEAD_AND_SHOULDERS.length && !head.some(isOutside)
  if (2 * outside > points.length && !isCloseUp) {
    const [left, right, top, bottom] = [box.left, box.right, box.top, box.bottom].map(Math.round)
    throw new PoseError(
      `${where}: ${outside} of the person's ${points.length} points lie outside the canvas of ${width}x${height} ` +
        `(x ${left} to ${right}, y ${top} to ${bottom}). canvas_width and canvas_height must be the picture's size.`
    )
  }
}
