/**
 * OpenPose JSON to poses and back, by the same rules as the Python side (cfld_modules/poses/reading.py, which explains
 * them): the dialects of other tools are read, one canonical form is written. Everybody in a frame is kept, as in `people.js`.
 */
import { inAnyOrder, inOrder } from './body_layouts.js'
import { MOST_FRAMES, PoseError, checkNumber, groupBy, readFrames } from './dialects.js'
import { boundsOf } from './geometry.js'
import { readMetres } from './metres.js'
import { CHOSEN_KEY, METRES_KEY, alone, encodePerson, moveWritten, newPerson, withoutBlanks } from './people.js'
import { parsePythonValue } from './python_value.js'
import { JOINT_NAMES } from './skeleton.js'
import { said } from './texts.js'

export { PoseError }

const NORMALISED_REACH = 4
const HEAD_AND_SHOULDERS = [0, 1, 2, 5, 14, 15, 16, 17]
const MOST_NEGATIVE = 1 / 3
const NOBODY = JOINT_NAMES.map(() => null)

/**
 * JSON text -> frames {width, height, people, chosen, pose}: everybody, which of them is CFLD's (the one marked as
 * chosen, else the largest), and that one's pose. Raises PoseError, also where nobody is in a frame or most of the chosen
 * person outside its canvas.
 *
 * A frame without a canvas size is read on `canvas` where one is given, and is an error otherwise.
 */
export function decodePoses(text, canvas = null) {
  const frames = decode(text, canvas)
  frames.forEach(checkPlace)
  return frames
}

/** What the editor stored: as `decodePoses`, but the figure is shown wherever it was dragged, and when all is hidden. */
export function decodeStored(text) {
  return decode(text, null)
}

/** Frames {people, chosen} on one canvas -> the canonical JSON text. One of several people is marked as chosen. */
export function encodeFrames(frames, { width, height }) {
  const written = frames.map(({ people, chosen }) => ({
    canvas_width: width,
    canvas_height: height,
    people: people.map((person, index) => ({
      ...encodePerson(person), ...(people.length > 1 && index === chosen && { [CHOSEN_KEY]: true })
    }))
  }))
  return JSON.stringify(written)
}

/** The same of frames of one person each, given as poses. */
export function encodePoses(poses, canvas) {
  return encodeFrames(poses.map(alone), canvas)
}

/** The bytes of a text file, in UTF-8 or UTF-16. */
export function decodeText(buffer) {
  const [first, second] = new Uint8Array(buffer)
  const isLittle = (first === 0xff && second === 0xfe) || second === 0
  const isBig = (first === 0xfe && second === 0xff) || first === 0
  return new TextDecoder(isLittle ? 'utf-16le' : isBig ? 'utf-16be' : 'utf-8').decode(buffer)
}

function decode(text, canvas) {
  const frames = readFrames(parse(text), canvas)
  if (!frames.length) throw new PoseError(said('error.empty'))
  checkNumber(frames, MOST_FRAMES, 'frames', said('where.all'))
  const layouts = layoutsOf(frames.flatMap(({ people }) => people))
  return frames.map(({ where, width, height, people: bodies }) => {
    const people = bodies.length ? bodies.map((body) => personOf(body, { width, height }, layouts)) : [newPerson(NOBODY)]
    const chosen = chosenOf(people, bodies)
    return { where, width, height, people, chosen, pose: people[chosen].pose }
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
      throw new PoseError(said('error.json', { error: error.message }))
    }
  }
}

/** By number of points, the order of the bodies that tell theirs: a tool writes everybody in the same one. */
function layoutsOf(bodies) {
  const told = groupBy(bodies.filter(({ layout }) => layout), ({ points }) => points.length)
  const layouts = [...told].map(([count, group]) => [count, new Set(group.map(({ layout }) => layout))])
  return new Map(layouts.filter(([, set]) => set.size === 1).map(([count, [layout]]) => [count, layout]))
}

function personOf({ where, points, layout, written }, { width, height }, layouts) {
  const order = layout ?? layouts.get(points.length)
  const pose = order ? inOrder(points, order) : inAnyOrder(points)
  if (!pose) {
    throw new PoseError(said('error.order', { where, count: points.length }))
  }
  const reach = Math.max(0, ...pose.flat().map((coordinate) => Math.abs(coordinate ?? 0)))
  const areShares = reach <= NORMALISED_REACH
  if (areShares) checkShares(pose.filter(Boolean), reach, where)
  const toPixels = ([x, y]) => [x * width, y * height]
  const placed = areShares ? pose.map((point) => point && toPixels(point)) : pose
  const metres = written[METRES_KEY] ? readMetres(written[METRES_KEY], placed, where) : null
  // Another form than OpenPose's own is written anew, and so is an order that only the people beside tell.
  const kept = withoutBlanks(written)
  const isOurs = layout && isOpenPoseBody(written.pose_keypoints_2d)
  return { pose: placed, metres, written: isOurs ? (areShares ? moveWritten(kept, toPixels) : kept) : null }
}

function isOpenPoseBody(values) {
  return values === null || (Array.isArray(values) && values.every((number) => typeof number === 'number'))
}

function checkShares(points, reach, where) {
  const negative = points.filter(([x, y]) => x < 0 || y < 0).length
  if (reach <= 1 && negative > MOST_NEGATIVE * points.length) {
    throw new PoseError(said('error.negative', { where }))
  }
}

/** The number of the person marked as chosen, else of the largest. */
function chosenOf(people, bodies) {
  const marked = bodies.findIndex(({ written }, index) => written[CHOSEN_KEY] === true && people[index].pose.some(Boolean))
  if (marked >= 0) return marked
  const areas = people.map(({ pose }) => {
    const box = boundsOf(pose)
    return box ? Math.max(1, box.right - box.left) * Math.max(1, box.bottom - box.top) : 0
  })
  return areas.indexOf(Math.max(...areas))
}

function checkPlace({ where, width, height, pose }) {
  const box = boundsOf(pose)
  if (!box) throw new PoseError(said('error.nobody', { where }))
  const isOutside = ([x, y]) => x < 0 || y < 0 || x > width || y > height
  const points = pose.filter(Boolean)
  const outside = points.filter(isOutside).length
  const head = HEAD_AND_SHOULDERS.map((joint) => pose[joint]).filter(Boolean)
  const isCloseUp = 2 * head.length >= HEAD_AND_SHOULDERS.length && !head.some(isOutside)
  if (2 * outside > points.length && !isCloseUp) {
    const [left, right, top, bottom] = [box.left, box.right, box.top, box.bottom].map(Math.round)
    const count = points.length
    throw new PoseError(said('error.outside', { where, outside, count, width, height, left, right, top, bottom }))
  }
}
