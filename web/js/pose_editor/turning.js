/**
 * A person in space, seen from another side; by the same rules as the Python side (cfld_modules/poses/lifting.py and
 * turning.py, which explain them). Space is 18 times [x, y, z] in canvas pixels, null where nobody knows.
 */
import { broughtToPicture, mean, subtract } from './keypoints_3d.js'
import { ANKLES, BONES, FACE, HIPS, MIRROR, NECK, NOSE, SHOULDERS } from './skeleton.js'
import { hiddenJoints } from './visibility.js'

const LEGS = [8, 9, 10, 11, 12, 13]
/** Bones in statures, by their far joint. */
const ADULT = {
  0: 0.12, 14: 0.04, 15: 0.04, 16: 0.06, 17: 0.06, 2: 0.11, 3: 0.17, 4: 0.15, 5: 0.11, 6: 0.17, 7: 0.15,
  8: 0.3, 9: 0.245, 10: 0.245, 11: 0.3, 12: 0.245, 13: 0.245
}
/** Of whom nothing is known in metres: how tall they are taken to be. */
const ADULT_STATURE = 1.7

/** A person with a visible joint, in space. lifter: of `createLifter`. */
export function lift({ pose, metres }, canvas, lifter) {
  const estimated = lifter(pose)
  const placed = metres && broughtToPicture(metres, pose)
  const depths = placed ? [...pose.keys()].filter((joint) => pose[joint] && placed[joint]).map((joint) => estimated[joint][2]) : []
  const depth = depths.reduce((sum, z) => sum + z, 0) / (depths.length || 1)
  const points = estimated.map((point, joint) => {
    if (!placed?.[joint]) return point
    const [x, y, z] = placed[joint]
    return [x, y, z + depth]
  })
  const seen = points.map(([x, y, z], joint) => [...(pose[joint] ?? [x, y]), z])
  const isKnown = knownJoints(pose, seen, canvas)
  return seen.map((point, joint) => (isKnown[joint] ? point : null))
}

/**
 * A person in space turned by `angle` and the viewer raised by `tilt` degrees: {pose, space}, what a detector would see
 * of it, and all of it. Clockwise as seen from above: who faces the viewer faces the left edge of the picture after 90.
 */
export function turn(space, angle, tilt) {
  const axis = mean(space.filter(Boolean))
  const turned = space.map((point) => point && towardsViewer(aboutVertical(subtract(point, axis), angle), tilt))
  const shift = foothold(space) - foothold(turned)
  const hidden = new Set(hiddenJoints(turned))
  const placed = turned.map((point) => point && [point[0] + axis[0], point[1] + shift, point[2]])
  return { pose: placed.map((point, joint) => (point && !hidden.has(joint) ? point.slice(0, 2) : null)), space: placed }
}

/**
 * The person turned; all joints in space stay known, so that it can be turned on, and back, without loss. Of hands and
 * face nobody knows how deep they lie: they are left out.
 */
export function turnPerson(person, canvas, lifter, angle, tilt) {
  const space = lift(person, canvas, lifter)
  const { pose, space: turned } = turn(space, angle, tilt)
  const hips = HIPS.map((joint) => turned[joint]).filter(Boolean)
  const origin = mean(hips.length ? hips : turned.filter(Boolean))
  const scale = metresPerPixel(person, space)
  const metres = turned.map((point) => point && subtract(point, origin).map((number) => number * scale))
  return { pose, metres, more: {} }
}

/** By the bones that are known in metres, else by what those of an adult measure. */
function metresPerPixel({ metres }, space) {
  const among = (points) => ([from, to]) => points[from] && points[to]
  const total = (points, bones) => bones.reduce((sum, [from, to]) => sum + Math.hypot(...subtract(points[to], points[from])), 0)
  const known = BONES.filter(among(space))
  const inMetres = metres ? known.filter(among(metres)) : []
  if (inMetres.length) return total(metres, inMetres) / total(space, inMetres)
  const adult = ADULT_STATURE * known.reduce((sum, [, to]) => sum + ADULT[to], 0)
  return adult / (total(space, known) || 1)
}

function knownJoints(pose, points, { width, height }) {
  const known = pose.map((point, joint) => Boolean(point ?? pose[MIRROR[joint]]))
  known[NECK] ||= SHOULDERS.some((joint) => pose[joint])
  const [x, y] = points[NOSE]
  const isInPicture = x >= 0 && y >= 0 && x <= width && y <= height
  const isFaceKnown = FACE.some((joint) => pose[joint]) || (Boolean(pose[NECK]) && isInPicture)
  for (const joint of FACE) known[joint] = isFaceKnown
  return known
}

function aboutVertical([x, y, z], degrees) {
  const [cos, sin] = [Math.cos(radians(degrees)), Math.sin(radians(degrees))]
  return [x * cos + z * sin, y, -x * sin + z * cos]
}

/** The head comes nearer, as it does for a viewer who rises. */
function towardsViewer([x, y, z], degrees) {
  const [cos, sin] = [Math.cos(radians(degrees)), Math.sin(radians(degrees))]
  return [x, y * cos - z * sin, y * sin + z * cos]
}

/** y of what stays where it is: the lowest leg joint with an ankle known, else the mid hip, else the middle. */
function foothold(points) {
  const heights = (joints) => joints.map((joint) => points[joint]).filter(Boolean).map(([, y]) => y)
  if (heights(ANKLES).length) return Math.max(...heights(LEGS))
  const resting = heights(HIPS).length ? heights(HIPS) : heights([...points.keys()])
  return resting.reduce((sum, y) => sum + y, 0) / resting.length
}

const radians = (degrees) => (degrees * Math.PI) / 180
