/**
 * Key points in three dimensions, `pose_keypoints_3d`: x to the right of the picture, y down, z away from the viewer, in
 * metres; the twin of what cfld_modules/poses has, which explains them.
 */

/** The list in a person's JSON -> 18 times [x, y, z], null where missing; null where it is no such list. */
export function readMetres(values) {
  if (!Array.isArray(values) || values.length !== 18 * 4 || !values.every(Number.isFinite)) return null
  const rows = Array.from({ length: 18 }, (_, joint) => values.slice(joint * 4, joint * 4 + 4))
  return rows.map((row) => (row[3] > 0 ? row.slice(0, 3) : null))
}

export function encodeMetres(metres) {
  const toTenthOfMillimetre = (number) => Math.round(number * 1e4) / 1e4
  return metres.flatMap((point) => (point ? [...point.map(toTenthOfMillimetre), 1] : [0, 0, 0, 0]))
}

/** 18 times [x, y, z] in pixels, laid over the pose's visible points, z 0 in their mean; null with too few. */
export function broughtToPicture(metres, pose) {
  const both = [...pose.keys()].filter((joint) => pose[joint] && metres[joint])
  if (both.length < 3) return null
  const middle = mean(both.map((joint) => metres[joint]))
  const place = mean(both.map((joint) => pose[joint]))
  const offsets = metres.map((point) => point && subtract(point, middle))
  const seen = both.map((joint) => subtract(pose[joint], place))
  const scale = norm(seen) / norm(both.map((joint) => offsets[joint].slice(0, 2)))
  return offsets.map((point) => point && point.map((number, axis) => number * scale + (place[axis] ?? 0)))
}

export function mean(points) {
  return points[0].map((_, axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length)
}

export const subtract = (one, other) => one.map((number, axis) => number - other[axis])

const norm = (points) => Math.hypot(...points.flat())
