/**
 * Poses as plain values. A pose is 18 entries, [x, y] in canvas pixels or null where the joint is hidden; points may
 * lie outside the canvas. Every function returns a new pose and leaves its arguments alone.
 */
import { BONES, HIPS, MIRROR, NECK, PARENT, SHOULDERS, STANDING, limb } from './skeleton.js'

/** Wrists and ankles. */
const ENDS = [4, 7, 10, 13]
/** Sine of the angle of an elbow from which a limb counts as bent to one side. */
const CLEAR_BEND = 0.2
/** How much rather elbows hang than stand out. */
const DOWN = 0.5

const add = ([x, y], [dx, dy]) => [x + dx, y + dy]
const subtract = ([x, y], [dx, dy]) => [x - dx, y - dy]
const length = ([x, y]) => Math.hypot(x, y)

/** The pose with `change` applied to the visible ones of `joints`, all of them by default. */
function changePoints(pose, change, joints = pose.keys()) {
  const changed = new Set(joints)
  return pose.map((point, joint) => (point && changed.has(joint) ? change(point) : point))
}

/** Moves a joint and everything that hangs on it. */
export const moveLimb = (pose, joint, offset) => changePoints(pose, (point) => add(point, offset), limb(joint))

/**
 * Brings a wrist or ankle to a point by bending elbow or knee and turning the limb about shoulder or hip: all lengths
 * stay. A point out of reach is reached for. Any other joint, or one whose limb is not whole, goes to the point alone.
 */
export function bendLimb(pose, joint, point) {
  const middle = ENDS.includes(joint) ? PARENT[joint] : null
  const root = middle === null ? null : PARENT[middle]
  if (![joint, middle, root].every((one) => pose[one])) return pose.with(joint, point)
  const upper = length(subtract(pose[middle], pose[root]))
  const lower = length(subtract(pose[joint], pose[middle]))
  const offset = subtract(point, pose[root])
  const distance = Math.min(Math.max(length(offset), Math.abs(upper - lower), 1e-6), upper + lower)
  const cosine = (upper ** 2 + distance ** 2 - lower ** 2) / (2 * upper * distance || 1)
  const bend = Math.acos(Math.min(1, Math.max(-1, cosine)))
  const at = (angle, reach) => add(pose[root], [Math.cos(angle) * reach, Math.sin(angle) * reach])
  const direction = length(offset) ? angleOf(offset) : angleOf(subtract(pose[joint], pose[root]))
  const ways = [1, -1].map((side) => ({ side, place: at(direction + side * bend, upper) }))
  const kept = ways.find(({ side }) => side === clearBend(pose, [root, middle, joint], direction))
  const { place } = kept ?? mostNatural(pose, ways)
  return pose.with(middle, place).with(joint, at(direction, distance))
}

/**
 * Swings the limb that begins with the bone to `joint` about the bone's near end, as far as the pointer went from
 * `start` to `end` around that end. All lengths stay.
 */
export function swingLimb(pose, joint, start, end) {
  const pivot = pose[PARENT[joint]]
  return swingBy(pose, joint, angleOf(subtract(end, pivot)) - angleOf(subtract(start, pivot)))
}

/** The same by an angle in radians, clockwise on the screen. */
export function swingBy(pose, joint, angle) {
  return changePoints(pose, (point) => turn(point, angle, pose[PARENT[joint]]), limb(joint))
}

/** Whether the joint is at the far end of a visible bone. */
export const canSwing = (pose, joint) => Boolean(pose[joint] && pose[PARENT[joint]])

/** What moves points by `offset`. */
export const translation = (offset) => (point) => add(point, offset)

/** What turns points by `angle` in radians, clockwise on the screen, about `centre`. */
export const rotation = (angle, centre) => (point) => turn(point, angle, centre)

export function scaling(factor, centre) {
  return ([x, y]) => [centre[0] + (x - centre[0]) * factor, centre[1] + (y - centre[1]) * factor]
}

/** The figure as in a mirror, where it stands: flipped about the middle of its own box, left and right swapped. */
export function mirrorPose(pose) {
  const box = boundsOf(pose)
  if (!box) return pose
  return MIRROR.map((joint) => pose[joint] && [box.left + box.right - pose[joint][0], pose[joint][1]])
}

/** The box around the visible joints, {left, top, right, bottom}; null when there is none. */
export function boundsOf(pose) {
  const points = pose.filter(Boolean)
  if (!points.length) return null
  const xs = points.map(([x]) => x)
  const ys = points.map(([, y]) => y)
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) }
}

export const centreOf = (box) => [(box.left + box.right) / 2, (box.top + box.bottom) / 2]

/** A pose of one canvas on another: scaled as a whole, never squashed, and centred. */
export const fitPose = (pose, from, to) => changePoints(pose, (point) => fitPoint(point, from, to))

export function fitPoint([x, y], from, to) {
  const scale = Math.min(to.width / from.width, to.height / from.height)
  const left = (to.width - from.width * scale) / 2
  const top = (to.height - from.height * scale) / 2
  return [left + x * scale, top + y * scale]
}

/**
 * The pose moved sideways to where, of a few places on the canvas, it is furthest from the middle of any other: with all
 * of it on the canvas, where it is no wider.
 */
export function beside(pose, others, canvas) {
  const middle = (one) => boundsOf(one) && centreOf(boundsOf(one))[0]
  const taken = others.map(middle).filter((x) => x !== null)
  const room = (x) => Math.min(...taken.map((other) => Math.abs(other - x)))
  const { left, right } = boundsOf(pose)
  const edge = Math.min((right - left) / 2, canvas.width / 2)
  const onCanvas = (x) => Math.min(Math.max(x, edge), canvas.width - edge)
  const places = [0.5, 0.25, 0.75, 0.125, 0.375, 0.625, 0.875].map((share) => onCanvas(share * canvas.width))
  const best = places.reduce((one, other) => (room(other) > room(one) ? other : one))
  return changePoints(pose, translation([best - middle(pose), 0]))
}

/**
 * Where a hidden joint would be: hung on the rest of the figure as in the standing figure, at the figure's own size
 * and facing its way.
 */
export function estimateJoint(pose, joint, canvas) {
  if (pose[joint]) return pose[joint]
  const standing = STANDING.pose
  const anchor = nearestRelative(pose, joint)
  if (anchor === null) return fitPose(standing, STANDING, canvas)[joint]
  const scale = figureScale(pose, canvas)
  const [x, y] = subtract(standing[joint], standing[anchor])
  return add(pose[anchor], [x * scale * (facesAway(pose) ? -1 : 1), y * scale])
}

/** The visible joint within `reach` of a point that is nearest to it, or null. */
export function jointAt(pose, point, reach) {
  const distances = pose.map((other) => (other ? length(subtract(other, point)) : Infinity))
  const nearest = distances.indexOf(Math.min(...distances))
  return distances[nearest] <= reach ? nearest : null
}

/** The far joint of the bone within `reach` of a point that is nearest to it, or null. */
export function boneAt(pose, point, reach) {
  const distances = BONES.map(([from, to]) =>
    pose[from] && pose[to] ? toSegment(point, pose[from], pose[to]) : Infinity
  )
  const nearest = distances.indexOf(Math.min(...distances))
  return distances[nearest] <= reach ? BONES[nearest][1] : null
}

function turn([x, y], angle, [cx, cy]) {
  const cos = Math.cos(angle)
  const sin = Math.sin(angle)
  return [cx + (x - cx) * cos - (y - cy) * sin, cy + (x - cx) * sin + (y - cy) * cos]
}

/** To which side of the line to its end a limb is bent, 1 or -1; 0 where it is nearly straight, or has turned far. */
function clearBend(pose, [root, middle, joint], direction) {
  const [before, upper] = [joint, middle].map((one) => angleOf(subtract(pose[one], pose[root])))
  const bend = Math.sin(upper - before)
  return Math.cos(direction - before) > 0 && Math.abs(bend) > CLEAR_BEND ? Math.sign(bend) : 0
}

/** Of two ways to bend a limb the one further from the trunk, and rather down than up. */
function mostNatural(pose, ways) {
  const [middle] = centreOf(boundsOf([NECK, ...SHOULDERS, ...HIPS].map((joint) => pose[joint])) ?? boundsOf(pose))
  const score = ({ place: [x, y] }) => Math.abs(x - middle) + DOWN * y
  return ways.reduce((one, other) => (score(other) > score(one) ? other : one))
}

const angleOf = ([x, y]) => Math.atan2(y, x)

function toSegment(point, from, to) {
  const along = subtract(to, from)
  const offset = subtract(point, from)
  const squared = along[0] ** 2 + along[1] ** 2
  const share = squared ? (offset[0] * along[0] + offset[1] * along[1]) / squared : 0
  const clamped = Math.min(1, Math.max(0, share))
  return length(subtract(offset, [along[0] * clamped, along[1] * clamped]))
}

/** The nearest visible joint on the way from `joint` to the neck, else any visible one, else null. */
function nearestRelative(pose, joint) {
  for (let relative = PARENT[joint]; relative !== null; relative = PARENT[relative]) {
    if (pose[relative]) return relative
  }
  const below = limb(joint).find((relative) => pose[relative])
  const any = below ?? limb(NECK).find((relative) => pose[relative])
  return any ?? null
}

/** How large the figure is, in units of the standing figure: by its visible bones, else by the canvas. */
function figureScale(pose, canvas) {
  const visible = BONES.filter(([from, to]) => pose[from] && pose[to])
  const total = (points) => visible.reduce((sum, [from, to]) => sum + length(subtract(points[to], points[from])), 0)
  const size = total(pose)
  return size ? size / total(STANDING.pose) : Math.min(canvas.width / STANDING.width, canvas.height / STANDING.height)
}

/** Whether the person is seen from behind: the right shoulder (or hip) is on the right. */
function facesAway(pose) {
  const pair = [SHOULDERS, HIPS].find(([right, left]) => pose[right] && pose[left])
  return pair !== undefined && pose[pair[0]][0] > pose[pair[1]][0]
}
