/**
 * Which joints of a person in space a detector would not see; by the same rules and numbers as the Python side
 * (cfld_modules/poses/visibility.py, which explains them). Space is 18 times [x, y, z], null where unknown.
 */
import { mean, subtract } from './keypoints_3d.js'
import { FACE, HIPS, NECK, SHOULDERS } from './skeleton.js'

const EARS = [16, 17]
const ARMS = [[3, 4], [6, 7]]
const AWAY = 0.15
const TRUNK_HALF_WIDTH = 0.33
const TRUNK_HALF_DEPTH = 0.26
const TRUNK_END = 1.1
const IN_FRONT = 0.15

const dot = (one, other) => one.reduce((sum, number, axis) => sum + number * other[axis], 0)
const length = (vector) => Math.hypot(...vector)
const times = (vector, factor) => vector.map((number) => number * factor)
const unit = (vector) => times(vector, 1 / length(vector))
const cross = ([a, b, c], [x, y, z]) => [b * z - c * y, c * x - a * z, a * y - b * x]

/** The numbers of the hidden joints. What cannot be told, since a joint it hangs on is unknown, is not hidden. */
export function hiddenJoints(space) {
  const isBehind = trunkOf(space)
  const arms = ARMS.flatMap(([elbow, wrist]) => {
    if (!isBehind(space[wrist])) return []
    return isBehind(space[elbow]) ? [elbow, wrist] : [wrist]
  })
  return [...FACE.filter((joint) => facesAway(space, joint)), ...arms]
}

function facesAway(space, joint) {
  const [right, left] = EARS.map((ear) => space[ear])
  if (!right || !left || !space[joint]) return false
  const direction = subtract(space[joint], mean([right, left]))
  return direction[2] > AWAY * length(direction)
}

/** Whether the line from a joint to the viewer leaves the trunk, an elliptic cylinder, further on. */
function trunkOf(space) {
  const joints = [NECK, ...SHOULDERS, ...HIPS].map((joint) => space[joint])
  if (!joints.every(Boolean)) return () => false
  const [neck, rightShoulder, leftShoulder, rightHip, leftHip] = joints
  const spine = subtract(mean([rightHip, leftHip]), neck)
  const size = length(spine)
  const down = unit(spine)
  const shoulders = subtract(leftShoulder, rightShoulder)
  const left = unit(subtract(shoulders, times(down, dot(shoulders, down))))
  // In these axes the cylinder is round, of radius and length 1.
  const axes = [times(left, 1 / TRUNK_HALF_WIDTH), times(cross(left, down), 1 / TRUNK_HALF_DEPTH), down]
  const away = axes.map((axis) => axis[2])
  return (point) => {
    if (!point) return false
    const offset = times(subtract(point, neck), 1 / size)
    const [x, y, along] = axes.map((axis) => dot(axis, offset))
    const sight = away[0] ** 2 + away[1] ** 2
    const towards = x * away[0] + y * away[1]
    const root = Math.sqrt(towards ** 2 - sight * (x * x + y * y - 1)) // NaN where the line misses
    const distance = (towards + root) / sight
    const height = along - distance * away[2]
    return distance > IN_FRONT && height > 0 && height < TRUNK_END
  }
}
