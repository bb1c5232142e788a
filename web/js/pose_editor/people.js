/**
 * People as plain values. A person is {pose, metres, written}: the 18 points in canvas pixels; the same in space, 18
 * times [x, y, z] or null where unknown, or null where nothing is known of it (cfld_modules/poses/metres.py explains
 * them); and the object that the person is written as in OpenPose JSON on the same canvas, with hands, face and all else
 * that came along, or null where it is to be written anew. Every function returns a new person.
 * A frame is {people, chosen}, chosen the number of the one who is CFLD's.
 */
import { fitPoint, mirrorPose, rotation } from './geometry.js'
import { encodeMetres } from './metres.js'
import { MIRROR } from './skeleton.js'

export const METRES_KEY = 'pose_keypoints_3d'
/** On one of several people: the person who is CFLD's. */
export const CHOSEN_KEY = 'chosen'
const BLANK_WHERE_ZERO = ['face_keypoints_2d', 'hand_left_keypoints_2d', 'hand_right_keypoints_2d']

export function newPerson(pose) {
  return { pose, metres: null, written: null }
}

/** The person with joints elsewhere. Of what else is known stays the depth of those that did not move. */
export function withPose(person, pose) {
  const isKept = (joint) => !person.pose[joint] || samePoint(person.pose[joint], pose[joint])
  const metres = person.metres?.map((point, joint) => (isKept(joint) ? point : null)) ?? null
  return { pose, metres: metres?.some(Boolean) ? metres : null, written: null }
}

/** The whole person moved by `move`, a function of points; `turn` is what it does to directions in space, if anything. */
export function movePerson(person, move, turn = (vector) => vector) {
  return {
    pose: person.pose.map((point) => point && move(point)),
    metres: person.metres?.map((point) => point && turn(point)) ?? null,
    written: person.written && moveWritten(person.written, move)
  }
}

/** The person as in a mirror, where it stands. */
export function mirrorPerson({ pose, metres }) {
  const mirrored = metres && MIRROR.map((joint) => metres[joint] && [-metres[joint][0], ...metres[joint].slice(1)])
  return { pose: mirrorPose(pose), metres: mirrored, written: null }
}

/** The person turned by `angle` in radians, clockwise on the screen, about `centre`. */
export function rotatePerson(person, angle, centre) {
  const about = rotation(angle, [0, 0])
  return movePerson(person, rotation(angle, centre), ([x, y, z]) => [...about([x, y]), z])
}

/** A frame of one person. */
export function alone(pose) {
  return { people: [newPerson(pose)], chosen: 0 }
}

/** A frame of one canvas on another: scaled as a whole, never squashed, and centred. */
export function fitFrame({ people, chosen }, from, to) {
  const isSame = from.width === to.width && from.height === to.height
  const fit = (person) => (isSame ? person : movePerson(person, (point) => fitPoint(point, from, to)))
  return { people: people.map(fit), chosen }
}

/** The person as OpenPose JSON has it: pixels to a hundredth, confidence 1, or 0,0,0 where hidden. */
export function encodePerson({ pose, metres, written }) {
  if (written) return written
  const body = pose.flatMap((point) => (point ? [...point.map(toHundredth), 1] : [0, 0, 0]))
  return { pose_keypoints_2d: body, ...(metres && { [METRES_KEY]: encodeMetres(metres) }) }
}

export function toHundredth(number) {
  return Math.round(number * 100) / 100
}

/** The object that a person was written as, without what says nothing: the mark, hands and faces of zeros. */
export function withoutBlanks(written) {
  const isBlank = ([key, value]) =>
    key === CHOSEN_KEY || (BLANK_WHERE_ZERO.includes(key) && Array.isArray(value) && value.every((number) => number === 0))
  return Object.fromEntries(Object.entries(written).filter((entry) => !isBlank(entry)))
}

/** Everything in the picture moved: body, face, hands, feet, each a flat list of x, y, score. */
export function moveWritten(written, move) {
  return Object.fromEntries(
    Object.entries(written).map(([key, value]) => [key, key.endsWith('keypoints_2d') ? moveRows(value, move) : value])
  )
}

function moveRows(numbers, move) {
  if (!Array.isArray(numbers)) return numbers
  const isThere = ([x, y, score]) => [x, y, score].every(Number.isFinite) && score > 0 && !(x === -1 && y === -1)
  return Array.from({ length: Math.ceil(numbers.length / 3) }, (_, row) => numbers.slice(row * 3, row * 3 + 3)).flatMap(
    (row) => (isThere(row) ? [...move([row[0], row[1]]).map(toHundredth), row[2]] : row)
  )
}

function samePoint(one, other) {
  return Boolean(other) && one[0] === other[0] && one[1] === other[1]
}
