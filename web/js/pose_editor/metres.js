/**
 * Key points in three dimensions, `pose_keypoints_3d`: x to the right of the picture, y down, z away from the viewer, in
 * metres; by the same rules as the Python side (cfld_modules/poses/metres.py, which explains them).
 */
import { PoseError } from './dialects.js'
import { said } from './texts.js'

const NUMBERS = 18 * 4
const LEAST_LIKENESS = 0.7
const ENOUGH_TO_COMPARE = 3

/** The list in a person's JSON -> 18 times [x, y, z], null where missing. Raises PoseError where it is no such list. */
export function readMetres(values, pose, where) {
  const rows = rowsOf(values)
  if (!rows) {
    throw new PoseError(said('error.metres', { where, count: NUMBERS }))
  }
  const metres = rows.map((row) => (row.includes(null) || row[3] <= 0 ? null : row.slice(0, 3)))
  if (!liesOver(metres, pose)) {
    throw new PoseError(said('error.depthElsewhere', { where }))
  }
  return metres
}

export function encodeMetres(metres) {
  const toTenthOfMillimetre = (number) => Math.round(number * 1e4) / 1e4
  return metres.flatMap((point) => (point ? [...point.map(toTenthOfMillimetre), 1] : [0, 0, 0, 0]))
}

/** 18 times [x, y, z] in pixels, laid over the pose's visible points, z 0 in their mean; null with fewer than two. */
export function broughtToPicture(metres, pose) {
  const both = jointsOfBoth(metres, pose)
  if (both.length < 2) return null
  const middle = mean(both.map((joint) => metres[joint]))
  const seen = centred(both.map((joint) => pose[joint]))
  const offsets = metres.map((point) => point && point.map((number, axis) => number - middle[axis]))
  const scale = norm(seen) / norm(both.map((joint) => offsets[joint].slice(0, 2)))
  const place = [...mean(both.map((joint) => pose[joint])), 0]
  return offsets.map((point) => point && point.map((number, axis) => number * scale + place[axis]))
}

function rowsOf(values) {
  const numbers = Array.isArray(values) ? values.flat() : []
  const isRight = numbers.every((number) => number === null || Number.isFinite(number))
  if (numbers.length !== NUMBERS || !isRight) return null
  return Array.from({ length: 18 }, (_, joint) => numbers.slice(joint * 4, joint * 4 + 4))
}

function jointsOfBoth(metres, pose) {
  return [...pose.keys()].filter((joint) => pose[joint] && metres[joint])
}

function liesOver(metres, pose) {
  const both = jointsOfBoth(metres, pose)
  if (both.length < ENOUGH_TO_COMPARE) return true
  const [flat, seen] = [both.map((joint) => metres[joint].slice(0, 2)), both.map((joint) => pose[joint])]
  const side = (points, axis) => points.map((point) => [point[axis]])
  const sides = [0, 1].map((axis) => likeness(side(flat, axis), side(seen, axis)))
  return likeness(flat, seen) >= LEAST_LIKENESS && Math.min(...sides) > -LEAST_LIKENESS
}

/** Correlation of two sets of points, whatever their size and place; 0 where one has no extent. */
function likeness(first, second) {
  const [one, other] = [centred(first).flat(), centred(second).flat()]
  const product = one.reduce((sum, number, index) => sum + number * other[index], 0)
  return product / Math.max(norm([one]) * norm([other]), 1e-9)
}

export function mean(points) {
  return points[0].map((_, axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length)
}

function centred(points) {
  const middle = mean(points)
  return points.map((point) => point.map((number, axis) => number - middle[axis]))
}

function norm(points) {
  return Math.hypot(...points.flat())
}
