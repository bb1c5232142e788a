/**
 * In which order tools list a body's points, and which order a list is in where its length does not say; by the same
 * rules and numbers as the Python side (cfld_modules/poses/body_layouts.py, which explains them).
 */
import { JOINT_NAMES } from './skeleton.js'

const COCO_18 = [...JOINT_NAMES, 'right toe', 'left toe']
const BODY_25 = [
  ...JOINT_NAMES.slice(0, 8), 'mid hip', ...JOINT_NAMES.slice(8),
  'left toe', 'left toe', 'left heel', 'right toe', 'right toe', 'right heel'
]
const COCO_17 = [
  'nose', 'left eye', 'right eye', 'left ear', 'right ear', 'left shoulder', 'right shoulder', 'left elbow',
  'right elbow', 'left wrist', 'right wrist', 'left hip', 'right hip', 'left knee', 'right knee', 'left ankle',
  'right ankle'
]
const HALPE_26 = [...COCO_17, 'head', 'neck']

/** The orders a list of so many points may be in. */
export const LAYOUTS = {
  17: [COCO_17],
  18: [COCO_18],
  19: [COCO_18, BODY_25],
  20: [COCO_18, BODY_25],
  25: [COCO_18, BODY_25],
  26: [HALPE_26],
  60: [COCO_18],
  133: [COCO_17],
  136: [HALPE_26]
}

/** Each point's bone: the point at its other end, and its length in statures. */
const ADULT = {
  'nose': ['neck', 0.12], 'right eye': ['nose', 0.04], 'left eye': ['nose', 0.04],
  'right ear': ['right eye', 0.06], 'left ear': ['left eye', 0.06],
  'right shoulder': ['neck', 0.11], 'right elbow': ['right shoulder', 0.17], 'right wrist': ['right elbow', 0.15],
  'left shoulder': ['neck', 0.11], 'left elbow': ['left shoulder', 0.17], 'left wrist': ['left elbow', 0.15],
  'right hip': ['neck', 0.3], 'right knee': ['right hip', 0.245], 'right ankle': ['right knee', 0.245],
  'left hip': ['neck', 0.3], 'left knee': ['left hip', 0.245], 'left ankle': ['left knee', 0.245],
  'mid hip': ['right hip', 0.06], 'right toe': ['right ankle', 0.07], 'left toe': ['left ankle', 0.07],
  'right heel': ['right ankle', 0.05], 'left heel': ['left ankle', 0.05]
}

const CLEARLY_BETTER = 0.3
const BELIEVABLE = 0.9
const MOST_OF_A_BONE = 0.4
const LEAST_OF_THE_ARMS = 4
const ARMS = JOINT_NAMES.slice(0, 8)

/** Whether lists of so many points begin with OpenPose's 18 or 25. */
export const isOpenPose = (count) => LAYOUTS[count][0] === COCO_18

/** The order that a body's points are in; null where the bones do not tell. */
export function layoutOf(points) {
  const layouts = LAYOUTS[points.length]
  if (layouts.length === 1 && isOpenPose(points.length)) return COCO_18
  if (layouts.length > 1 && points.slice(0, ARMS.length).filter(Boolean).length < LEAST_OF_THE_ARMS) return null
  const [best, second] = layouts
    .map((layout) => ({ layout, misfit: misfitOf(points, layout) }))
    .sort((one, other) => one.misfit - other.misfit)
  const isClear = !second || second.misfit - best.misfit > CLEARLY_BETTER
  return isClear && best.misfit < BELIEVABLE ? best.layout : null
}

/** Points of a layout -> the 18 joints; a neck it lacks is between the shoulders. */
export function inOrder(points, layout) {
  const rows = byName(points, layout)
  return JOINT_NAMES.map((name) => rows[name])
}

/** The 18 joints where it makes no difference which of several orders it is, else null. */
export function inAnyOrder(points) {
  const [reading, ...others] = LAYOUTS[points.length].map((layout) => JSON.stringify(inOrder(points, layout)))
  return others.length && others.every((other) => other === reading) ? JSON.parse(reading) : null
}

/** How tall a person of 18 joints in a plane or in space is, judged by the bones; 0 where there are none. */
export function statureOf(points) {
  const bones = bonesOf(Object.fromEntries(JOINT_NAMES.map((name, joint) => [name, points[joint]])))
  return upperQuartile(bones.map(({ length, adult }) => length / adult))
}

function byName(points, layout) {
  const rows = Object.fromEntries(layout.slice(0, points.length).map((name, row) => [name, points[row]]))
  const [right, left] = [rows['right shoulder'], rows['left shoulder']]
  return { neck: right && left && [(right[0] + left[0]) / 2, (right[1] + left[1]) / 2], ...rows }
}

/** By how much the bones miss an adult's lengths, summed in statures. */
function misfitOf(points, layout) {
  const bones = bonesOf(byName(points, layout))
  const arms = bones.filter(({ name }) => ARMS.includes(name))
  const stature = upperQuartile((arms.length > 1 ? arms : bones).map(({ length, adult }) => length / adult))
  const miss = ({ length, adult }) => Math.min(Math.abs(length / stature - adult), MOST_OF_A_BONE)
  return stature > 0 ? bones.reduce((sum, bone) => sum + miss(bone), 0) : 0
}

/** From each point to the next one that is there on the way to the neck: {name, length, adult's length}. */
function bonesOf(points) {
  return Object.keys(ADULT).filter((name) => points[name]).flatMap((name) => {
    let [end, adult] = ADULT[name]
    while (!points[end] && end in ADULT) {
      adult += ADULT[end][1]
      end = ADULT[end][0]
    }
    if (!points[end]) return []
    const offset = points[name].map((coordinate, axis) => coordinate - points[end][axis])
    return [{ name, adult, length: Math.hypot(...offset) }]
  })
}

/** Interpolated, as NumPy has it; 0 of nothing. */
function upperQuartile(values) {
  const sorted = values.toSorted((one, other) => one - other)
  const place = 0.75 * (sorted.length - 1)
  const below = sorted[Math.floor(place)]
  return values.length ? below + (sorted[Math.ceil(place)] - below) * (place % 1) : 0
}
