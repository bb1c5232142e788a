/**
 * People as plain values. A person is {pose, metres, more}: the 18 points in canvas pixels; the same in space, 18 times
 * [x, y, z] or null where unknown, or null where nothing is known of it (cfld_modules/poses explains them); and all else
 * that came along in OpenPose JSON, hands and face among it, in pixels of the same canvas. Every function returns a new
 * person. A frame is {people, chosen}, chosen the number of the one who is CFLD's.
 */
import { boundsOf, canSwing, fitPoint, mirrorPose, rotation } from './geometry.js'
import { encodeMetres, readMetres } from './keypoints_3d.js'
import { ANKLES, JOINT_NAMES, MIRROR, PARENT } from './skeleton.js'

/** On one of several people: the person who is CFLD's. */
export const CHOSEN_KEY = 'chosen'
const HANDS = { right: 'hand_right_keypoints_2d', left: 'hand_left_keypoints_2d' }
const FACE = 'face_keypoints_2d'
const FEET = 'foot_keypoints_2d'
const BLANK_WHERE_ZERO = [FACE, HANDS.left, HANDS.right, FEET]
/** What goes with which joint. */
const FOLLOWS = [[HANDS.right, 4], [HANDS.left, 7], [FACE, 0]]
const NUMBERS = 3 * JOINT_NAMES.length

export const newPerson = (pose) => ({ pose, metres: null, more: {} })

/** A person's object in canonical JSON -> the person; null where it is none. */
export function readPerson(written) {
  const { pose_keypoints_2d: numbers, pose_keypoints_3d: space, [CHOSEN_KEY]: _, ...more } = written ?? {}
  if (!Array.isArray(numbers) || numbers.length !== NUMBERS || !numbers.every(Number.isFinite)) return null
  const rows = rowsOf(numbers)
  const metres = space ? readMetres(space) : null
  if (!rows.every(([, , score]) => score === 0 || score === 1) || (space && !metres)) return null
  return { pose: rows.map(([x, y, score]) => (score ? [x, y] : null)), metres, more: withoutBlanks(more) }
}

/** The person as OpenPose JSON has it: pixels to a hundredth, confidence 1, or 0,0,0 where hidden. */
export function encodePerson({ pose, metres, more }) {
  const body = pose.flatMap((point) => (point ? [...point.map(toHundredth), 1] : [0, 0, 0]))
  return { pose_keypoints_2d: body, ...(metres && { pose_keypoints_3d: encodeMetres(metres) }), ...more }
}

/**
 * The person with joints elsewhere. Hands and face go with wrists and nose, and turn with the bone before; the depth of a
 * joint that moved is not known any more.
 */
export function withPose(person, pose) {
  const isKept = (joint) => !person.pose[joint] || samePoint(person.pose[joint], pose[joint])
  const metres = person.metres?.map((point, joint) => (isKept(joint) ? point : null)) ?? null
  const more = { ...person.more }
  for (const [key, joint] of FOLLOWS) {
    if (!(key in more) || (isKept(joint) && isKept(PARENT[joint]))) continue
    if (pose[joint] && person.pose[joint]) more[key] = moveRows(more[key], carried(person.pose, pose, joint))
    else delete more[key]
  }
  if (!ANKLES.every(isKept)) delete more[FEET]
  return { pose, metres: metres?.some(Boolean) ? metres : null, more }
}

/** The whole person moved by `move`, a function of points; `turn` is what it does to directions in space, if anything. */
export function movePerson(person, move, turn = (vector) => vector) {
  return {
    pose: person.pose.map((point) => point && move(point)),
    metres: person.metres?.map((point) => point && turn(point)) ?? null,
    more: moveMore(person.more, move)
  }
}

/** The person as in a mirror, where it stands. */
export function mirrorPerson({ pose, metres, more }) {
  const box = boundsOf(pose)
  if (!box) return { pose, metres, more }
  const flipped = moveMore(more, ([x, y]) => [box.left + box.right - x, y])
  const { [HANDS.left]: left, [HANDS.right]: right, [FEET]: _, ...rest } = flipped
  return {
    pose: mirrorPose(pose),
    metres: metres && MIRROR.map((joint) => metres[joint] && [-metres[joint][0], ...metres[joint].slice(1)]),
    more: { ...rest, ...(left && { [HANDS.right]: left }), ...(right && { [HANDS.left]: right }) }
  }
}

/** The person turned by `angle` in radians, clockwise on the screen, about `centre`. */
export function rotatePerson(person, angle, centre) {
  const about = rotation(angle, [0, 0])
  return movePerson(person, rotation(angle, centre), ([x, y, z]) => [...about([x, y]), z])
}

/** A frame of one person. */
export const alone = (pose) => ({ people: [newPerson(pose)], chosen: 0 })

/** A frame of one canvas on another: scaled as a whole, never squashed, and centred. */
export function fitFrame({ people, chosen }, from, to) {
  const isSame = from.width === to.width && from.height === to.height
  const fit = (person) => (isSame ? person : movePerson(person, (point) => fitPoint(point, from, to)))
  return { people: people.map(fit), chosen }
}

/** The hands that came along, each 21 times [x, y], or null where missing. */
export function handsOf({ more }) {
  const written = Object.values(HANDS).map((key) => more[key]).filter(Array.isArray)
  return written.map((numbers) => rowsOf(numbers).map((row) => (isThere(row) ? [row[0], row[1]] : null)))
}

const toHundredth = (number) => Math.round(number * 100) / 100

/** What takes points along with a joint that went elsewhere, and turns them with the bone that leads to it. */
function carried(before, after, joint) {
  const [from, to] = [before[joint], after[joint]]
  const angle = canSwing(before, joint) && canSwing(after, joint) ? bearing(after, joint) - bearing(before, joint) : 0
  const turned = rotation(angle, from)
  return (point) => turned(point).map((coordinate, axis) => coordinate + to[axis] - from[axis])
}

function bearing(pose, joint) {
  const [x, y] = pose[PARENT[joint]]
  return Math.atan2(pose[joint][1] - y, pose[joint][0] - x)
}

/** The object without hands, faces and feet of zeros, which say nothing. */
function withoutBlanks(more) {
  const isBlank = ([key, value]) =>
    BLANK_WHERE_ZERO.includes(key) && Array.isArray(value) && value.every((number) => number === 0)
  return Object.fromEntries(Object.entries(more).filter((entry) => !isBlank(entry)))
}

function moveMore(more, move) {
  return Object.fromEntries(
    Object.entries(more).map(([key, value]) => [key, key.endsWith('keypoints_2d') ? moveRows(value, move) : value])
  )
}

function moveRows(numbers, move) {
  if (!Array.isArray(numbers)) return numbers
  return rowsOf(numbers).flatMap((row) => (isThere(row) ? [...move([row[0], row[1]]).map(toHundredth), row[2]] : row))
}

function rowsOf(numbers) {
  return Array.from({ length: Math.ceil(numbers.length / 3) }, (_, row) => numbers.slice(row * 3, row * 3 + 3))
}

const isThere = ([x, y, score]) => [x, y, score].every(Number.isFinite) && score > 0 && !(x === -1 && y === -1)

const samePoint = (one, other) => Boolean(other) && one[0] === other[0] && one[1] === other[1]
