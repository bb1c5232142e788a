/**
 * Key points as people's tools write them, by the same rules as the Python side (cfld_modules/poses/dialects.py, which
 * lists them). A dialect is one small function; see DIALECTS. A frame is {where, width, height, people}, one of the
 * people {where, points, layout, written}: points as written, null where missing, and the object in which they were.
 */
import { LAYOUTS, isOpenPose, layoutOf } from './body_layouts.js'
import { said } from './texts.js'

const SURE_WHERE_EVIDENCE = 0.05
const SURE_WHERE_ALWAYS_PLACED = 0.3
/** A file beyond these is a mistake or an attack, and is refused before anything of it is read. */
export const MOST_FRAMES = 5_000
const MOST_PEOPLE = 10_000
const DEEPEST = 6
const LARGEST = 1e6
const ANNOTATION_CANVAS = { width: 176, height: 256 }
const CANVAS_KEYS = [['canvas_width', 'canvas_height'], ['width', 'height']]
const BODY_KEYS = ['pose_keypoints_2d', 'pose_keypoints', 'keypoints']

/** A value that holds no pose; the message is for the user. */
export class PoseError extends Error {}

/** All frames in a value. `canvas` serves those without a size of their own; without it they are an error. */
export function readFrames(value, canvas = null) {
  return read(value, { outer: {}, canvas, where: said('where.frame', { number: 1 }), depth: 0 })
}

/** Raises PoseError where there are more than `most` of what, 'frames' or 'people'. */
export function checkNumber({ length }, most, what, where) {
  if (length > most) throw new PoseError(said(`error.tooMany.${what}`, { where, length, most }))
}

/** Members by what `key` says of each, as a Map. */
export function groupBy(members, key) {
  const groups = new Map()
  for (const member of members) {
    if (!groups.has(key(member))) groups.set(key(member), [])
    groups.get(key(member)).push(member)
  }
  return groups
}

function read(value, { outer, canvas, where, depth }) {
  if (depth > DEEPEST) throw new PoseError(said('error.depth', { where }))
  const inside = (part, name, size = outer) => read(part, { outer: size, canvas, where: name, depth: depth + 1 })
  if (Array.isArray(value)) {
    checkNumber(value, MOST_FRAMES, 'frames', where)
    return value.flatMap((part, index) => inside(part, said('where.frame', { number: index + 1 })))
  }
  if (!isObject(value)) throw new PoseError(said('error.object', { where }))
  const [, dialect] = DIALECTS.find(([keys]) => keys.every((key) => key in value)) ?? []
  if (dialect) return dialect({ ...outer, ...value }, where, canvas)
  // Frames by name, or a file with its frames under some key.
  const parts = Object.entries(value).filter(([, part]) => Array.isArray(part) || isObject(part))
  if (!parts.length) throw new PoseError(said('error.noPeople', { where }))
  checkNumber(parts, MOST_FRAMES, 'frames', where)
  const own = Object.fromEntries(CANVAS_KEYS.flat().filter((key) => key in value).map((key) => [key, value[key]]))
  return parts.flatMap(([name, part]) =>
    inside(part, said('where.named', { name: name.slice(0, 40) }), { ...outer, ...own })
  )
}

// --- What the tools write: (the object with its canvas, where it is, canvas to fall back on) -> frames ---------------

function readOpenPose(frame, where, canvas) {
  return [{ where, ...canvasOf(frame, canvas, where), people: bodiesOf(frame.people, where) }]
}

/** `keypoints` of one person, or a list of them for several. */
function readEditor(frame, where, canvas) {
  const people = frame.keypoints
  const isSeveral = Array.isArray(people) && people.some((person) => Array.isArray(person) && person.some(Array.isArray))
  const bodies = isSeveral ? people.map((keypoints) => ({ keypoints })) : [frame]
  return [{ where, ...canvasOf(frame, canvas, where), people: bodiesOf(bodies, where) }]
}

/** One frame for each picture in which somebody is annotated. */
function readCoco(file, where, canvas) {
  const images = new Map(objects(file, 'images', where).map((image) => [identity(image.id), image]))
  const people = groupBy(objects(file, 'annotations', where), (person) => identity(person.image_id))
  checkNumber({ length: people.size }, MOST_FRAMES, 'frames', where)
  return [...people].map(([image, bodies]) => {
    const name = said('where.image', { image: image.slice(0, 40) })
    return { where: name, ...canvasOf({ ...file, ...images.get(image) }, canvas, name), people: bodiesOf(bodies, name) }
  })
}

function readMMPose(file, where, canvas) {
  return objects(file, 'instance_info', where).map((frame, index) => {
    const name = said('where.frame', { number: index + 1 })
    return { where: name, ...canvasOf({ ...file, ...frame }, canvas, name), people: bodiesOf(frame.instances, name) }
  })
}

/** The form of the authors' annotation files. */
function readAnnotation(frame, where) {
  const [xs, ys] = ['keypoints_x', 'keypoints_y'].map((key) => checkNumbers(frame[key], `${where}, ${key}`, 18))
  const isMissing = (number) => number === null || number === -1
  const points = xs.map((x, joint) => (isMissing(x) || isMissing(ys[joint]) ? null : [x, ys[joint]]))
  const hasCanvas = CANVAS_KEYS.flat().some((key) => key in frame)
  const { width, height } = hasCanvas ? canvasOf(frame, null, where) : ANNOTATION_CANVAS
  if (!hasCanvas && points.some((point) => point && (point[0] > width || point[1] > height))) {
    const [right, bottom] = [0, 1].map((axis) => Math.max(...points.filter(Boolean).map((point) => point[axis])))
    throw new PoseError(said('error.annotation', { where, right, bottom }))
  }
  return [{ where, width, height, people: [body(where, points, frame)] }]
}

function readAnimals(frame, where) {
  throw new PoseError(said('error.animals', { where }))
}

/** The keys by which a dialect is known, and what reads it. */
const DIALECTS = [
  [['people'], readOpenPose],
  [['keypoints_y', 'keypoints_x'], readAnnotation],
  [['annotations'], readCoco],
  [['instance_info'], readMMPose],
  [['keypoints'], readEditor],
  [['animals'], readAnimals]
]

// --- What they have in common ----------------------------------------------------------------------------------------

function canvasOf(frame, canvas, where) {
  const keys = CANVAS_KEYS.find((names) => names.some((name) => frame[name] != null))
  if (!keys && canvas) return { width: canvas.width, height: canvas.height }
  const sizes = (keys ?? CANVAS_KEYS[0]).map((key) => frame[key])
  if (!sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= LARGEST)) {
    throw new PoseError(said('error.canvas', { where }))
  }
  return { width: sizes[0], height: sizes[1] }
}

function objects(file, key, where) {
  const list = file[key] ?? []
  if (!Array.isArray(list) || !list.every(isObject)) throw new PoseError(said('error.objects', { where, key }))
  return list
}

/** What tells a picture, a number or a text; whatever else stands there tells nothing. */
function identity(value) {
  return typeof value === 'string' ? value : Number.isInteger(value) && Math.abs(value) < 1e15 ? String(value) : ''
}

/** Everybody who has a body array; hands and faces alone are passed over. */
function bodiesOf(people, where) {
  if (people == null) return []
  if (!Array.isArray(people)) throw new PoseError(said('error.people', { where }))
  checkNumber(people, MOST_PEOPLE, 'people', where)
  return people.map((person, index) => bodyOf(person, said('where.person', { where, number: index + 1 }))).filter(Boolean)
}

function bodyOf(person, where) {
  if (!isObject(person)) throw new PoseError(said('error.object', { where }))
  const key = BODY_KEYS.find((name) => name in person)
  if (key === undefined) return null
  const values = person[key]
  if (values === null || (Array.isArray(values) && !values.length)) return body(where, Array(18).fill(null), person)
  const rows = rowsOf(values, person.keypoint_scores, `${where}, ${key}`)
  const scoresAreReal = rows.some(([, , score]) => score !== null && ![0, 1, 2].includes(score))
  const isEvidence = isOpenPose(rows.length) && !('foot_keypoints_2d' in person)
  const sure = isEvidence ? SURE_WHERE_EVIDENCE : SURE_WHERE_ALWAYS_PLACED
  const isMissing = ([x, y, score]) =>
    x === null || y === null || score === null || score <= 0 ||
    (scoresAreReal && (score < sure || (x === -1 && y === -1)))
  const points = rows.map((row) => (isMissing(row) ? null : [row[0], row[1]]))
  return body(where, points, person)
}

function body(where, points, written) {
  return { where, points, layout: layoutOf(points), written }
}

/** Numbers x, y, score one after another, or one list a point, with or without its score -> rows of three. */
function rowsOf(values, scores, where) {
  if (isObject(values)) values = yoloRows(values, where)
  if (!Array.isArray(values)) throw new PoseError(said('error.numbers', { where }))
  const isNested = values.some(Array.isArray)
  const count = isNested ? values.length : values.length / 3
  if (!(count in LAYOUTS)) {
    const counts = Object.keys(LAYOUTS).join(', ')
    throw new PoseError(said('error.points', { where, count: Number(count.toFixed(2)), counts }))
  }
  let rows = isNested
    ? values.map((row) => rowOf(row, where))
    : Array.from({ length: count }, (_, row) => values.slice(row * 3, row * 3 + 3))
  if (isNested && Array.isArray(scores) && scores.length === count) {
    rows = rows.map(([x, y], row) => [x, y, scores[row]])
  }
  checkNumbers(rows.flat(), where)
  return rows
}

/** A point as [x, y, score], as [x, y], where editors put [0, 0] if there is none, or as null. */
function rowOf(row, where) {
  if (row === null) return [null, null, 0]
  if (!Array.isArray(row) || row.length < 2 || row.length > 3) {
    throw new PoseError(said('error.point', { where }))
  }
  return row.length === 3 ? row : [...row, row.every((number) => number === 0) ? 0 : 1]
}

function yoloRows({ x, y, visible }, where) {
  if (![x, y, visible].every((column) => Array.isArray(column) && column.length === x.length)) {
    throw new PoseError(said('error.columns', { where }))
  }
  return x.map((number, row) => [number, y[row], visible[row]])
}

function checkNumbers(values, where, count = values?.length) {
  if (!Array.isArray(values) || values.length !== count) {
    throw new PoseError(said('error.count', { where, count }))
  }
  if (!values.every((value) => value === null || (typeof value === 'number' && Math.abs(value) <= LARGEST))) {
    throw new PoseError(said('error.number', { where }))
  }
  return values
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
