/**
 * OpenPose JSON to poses and back, by the same rules as the Python side (cfld_modules/keypoints.py): the dialects of
 * other tools are read, one canonical form is written. A frame is {width, height, pose}.
 */
import { boundsOf } from './geometry.js'
import { JOINT_NAMES } from './skeleton.js'

const NORMALISED_REACH = 4
const SCORE_THRESHOLD = 0.3
const LARGEST = 1e6
/** Where OpenPose's BODY_25 keeps the 18 points: 8 is the mid hip, 19 to 24 are the feet. */
const BODY_25 = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
const ANNOTATION_CANVAS = { width: 176, height: 256 }
const NOBODY = JOINT_NAMES.map(() => null)

/** A text that holds no pose; the message is for the user. */
export class PoseError extends Error {}

/**
 * JSON text -> frames, each with the largest person in it. Raises PoseError.
 *
 * A frame without a canvas size is read on `canvas` where one is given, and is an error otherwise.
 */
export function decodePoses(text, canvas = null) {
  const value = parse(text)
  const frames = Array.isArray(value) ? value : [value]
  if (!frames.length) throw new PoseError('The list of frames is empty.')
  return frames.map((frame, index) => decodeFrame(frame, canvas, `Frame ${index + 1}`))
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

function toHundredth(number) {
  return Math.round(number * 100) / 100
}

function parse(text) {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''))
  } catch (error) {
    throw new PoseError(`This is not valid JSON: ${error.message}`)
  }
}

function decodeFrame(frame, canvas, where) {
  if (!isObject(frame)) throw new PoseError(`${where} must be an object.`)
  if ('keypoints_y' in frame && 'keypoints_x' in frame) return decodeAnnotation(frame, where)
  if (!('people' in frame)) throw new PoseError(`${where} has no "people".`)
  const people = frame.people ?? []
  if (!Array.isArray(people)) throw new PoseError(`${where}: "people" must be a list.`)
  const size = decodeCanvas(frame, canvas, where)
  const poses = people.map((person, index) => decodeBody(person, size, `${where}, person ${index + 1}`))
  return { ...size, pose: largest(poses) }
}

function decodeCanvas(frame, canvas, where) {
  if (canvas && frame.canvas_width == null && frame.canvas_height == null) return canvas
  const sizes = [frame.canvas_width, frame.canvas_height]
  if (!sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= LARGEST)) {
    throw new PoseError(`${where} needs canvas_width and canvas_height, the size in pixels of its picture.`)
  }
  return { width: sizes[0], height: sizes[1] }
}

function decodeBody(person, { width, height }, where) {
  const values = isObject(person) ? person.pose_keypoints_2d : undefined
  if (values === undefined) throw new PoseError(`${where} has no "pose_keypoints_2d".`)
  if (values === null || values.length === 0) return NOBODY
  const rows = decodeRows(values, where)
  const points = values.length === 75 ? BODY_25.map((row) => rows[row]) : rows
  const reach = Math.max(0, ...points.flat().map((coordinate) => Math.abs(coordinate ?? 0)))
  if (reach > NORMALISED_REACH) return points
  return points.map((point) => point && [point[0] * width, point[1] * height])
}

/** Threes of x, y, confidence -> points, null where missing. */
function decodeRows(values, where) {
  checkNumbers(values, [54, 75], `${where}, pose_keypoints_2d`)
  const rows = Array.from({ length: values.length / 3 }, (_, row) => values.slice(row * 3, row * 3 + 3))
  const scoresAreReal = rows.some(([, , score]) => score !== null && score !== 0 && score !== 1)
  const isMissing = ([x, y, score]) =>
    x === null || y === null || score === null || score <= 0 ||
    (scoresAreReal && (score < SCORE_THRESHOLD || (x === -1 && y === -1)))
  return rows.map((row) => (isMissing(row) ? null : [row[0], row[1]]))
}

/** The form of the authors' annotation files. */
function decodeAnnotation({ keypoints_x: xs, keypoints_y: ys }, where) {
  checkNumbers(xs, [18], `${where}, keypoints_x`)
  checkNumbers(ys, [18], `${where}, keypoints_y`)
  const isMissing = (number) => number === null || number === -1
  const pose = xs.map((x, joint) => (isMissing(x) || isMissing(ys[joint]) ? null : [x, ys[joint]]))
  return { ...ANNOTATION_CANVAS, pose }
}

function checkNumbers(values, counts, where) {
  if (!Array.isArray(values) || !counts.includes(values.length)) {
    throw new PoseError(`${where}: must be a list of ${counts.join(' or ')} numbers.`)
  }
  if (!values.every((value) => value === null || (typeof value === 'number' && Math.abs(value) <= LARGEST))) {
    throw new PoseError(`${where}: holds something that is not a number.`)
  }
}

function largest(poses) {
  const area = (pose) => {
    const box = boundsOf(pose)
    return box ? Math.max(1, box.right - box.left) * Math.max(1, box.bottom - box.top) : 0
  }
  return poses.reduce((best, pose) => (area(pose) > area(best) ? pose : best), NOBODY)
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
