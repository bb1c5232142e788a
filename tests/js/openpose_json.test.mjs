import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'

import { PoseError, decodePoses, decodeText, encodePoses } from '../../web/js/pose_editor/openpose_json.js'
import { STANDING } from '../../web/js/pose_editor/skeleton.js'

const CANVAS = { width: 352, height: 512 }
const POSE = STANDING.pose.with(4, null).with(7, [-20.25, 600.5])

const BUNDLED = readdirSync(new URL('../../web/poses/', import.meta.url)).filter((name) => name.endsWith('.json'))

const keyPoints = (pose, scale = [1, 1], score = 1) =>
  pose.flatMap((point) => (point ? [point[0] / scale[0], point[1] / scale[1], score] : [0, 0, 0]))
const frame = (...bodies) => ({
  canvas_width: 352,
  canvas_height: 512,
  people: bodies.map((body) => ({ pose_keypoints_2d: body }))
})
const decodeOne = (value) => decodePoses(JSON.stringify(value))[0].pose

test('encoding and decoding give the same poses back, and the same text', () => {
  const text = encodePoses([POSE, STANDING.pose], CANVAS)
  const frames = decodePoses(text)
  assert.deepEqual(frames.map(({ width, height, pose }) => ({ width, height, pose })), [
    { ...CANVAS, pose: POSE }, { ...CANVAS, pose: STANDING.pose }
  ])
  assert.equal(encodePoses(frames.map(({ pose }) => pose), CANVAS), text)
})

test('the canonical form: pixels to a hundredth, confidence 1, hidden joints 0,0,0', () => {
  const [first] = JSON.parse(encodePoses([POSE.with(0, [1 / 3, 2])], CANVAS))
  assert.deepEqual(Object.keys(first), ['canvas_width', 'canvas_height', 'people'])
  const numbers = first.people[0].pose_keypoints_2d
  assert.equal(numbers.length, 54)
  assert.deepEqual(numbers.slice(0, 3), [0.33, 2, 1])
  assert.deepEqual(numbers.slice(12, 15), [0, 0, 0])
})

test('0-1 coordinates are told from pixels, also where they lie outside the canvas', () => {
  const decoded = decodeOne([frame(keyPoints(POSE, [352, 512]))])
  decoded.forEach((point, joint) =>
    point
      ? point.forEach((value, axis) => assert.ok(Math.abs(value - POSE[joint][axis]) < 1e-9))
      : assert.equal(POSE[joint], null)
  )
})

test('of 25 points the mid hip and the feet are dropped', () => {
  const numbers = keyPoints(POSE)
  const body25 = [...numbers.slice(0, 24), 176, 262, 1, ...numbers.slice(24), ...Array(18).fill(0)]
  assert.equal(body25.length, 75)
  assert.deepEqual(decodeOne([frame(body25)]), POSE)
})

test('a bare frame stands for a list of one', () => {
  assert.deepEqual(decodeOne(frame(keyPoints(POSE))), POSE)
})

test('real scores hide unsure points, 0 and 1 do not; SDPose, told by its feet, is sure later than OpenPose', () => {
  const unsure = keyPoints(POSE, [1, 1], 0.9)
  unsure.splice(0, 3, 100, 100, 0.2)
  const feet = { foot_keypoints_2d: Array(18).fill(1) }
  assert.deepEqual(decodeOne(frame(unsure))[0], [100, 100])
  assert.equal(decodeOne({ ...frame(), people: [{ pose_keypoints_2d: unsure, ...feet }] })[0], null)
  unsure.splice(0, 3, 100, 100, 0.04)
  assert.equal(decodeOne(frame(unsure))[0], null)
  unsure.splice(0, 3, -1, -1, 0.9)
  assert.equal(decodeOne(frame(unsure))[0], null)
  unsure.splice(0, 3, null, 5, 0.9)
  assert.equal(decodeOne(frame(unsure))[0], null)
  const sure = keyPoints(POSE)
  sure.splice(0, 3, -1, -1, 1)
  assert.deepEqual(decodeOne(frame(sure))[0], [-1, -1])
})

test('of several people the largest is taken', () => {
  const small = POSE.map((point) => point && point.map((value) => value / 2))
  assert.deepEqual(decodeOne(frame(keyPoints(small), null, keyPoints(POSE), [])), POSE)
})

test('the annotations of the authors: y and x apart, -1 where missing, on 176 x 256', () => {
  const xs = STANDING.pose.map(([x]) => x / 2)
  const ys = STANDING.pose.map(([, y]) => y / 2)
  const [{ width, height, pose }] = decodePoses(JSON.stringify({ keypoints_x: xs.with(3, -1), keypoints_y: ys }))
  assert.deepEqual([width, height], [176, 256])
  assert.equal(pose[3], null)
  assert.deepEqual(pose[0], [xs[0], ys[0]])
})

test('a frame without a canvas size is read on the canvas given, else refused', () => {
  const bare = JSON.stringify({ people: [{ pose_keypoints_2d: keyPoints(POSE) }] })
  const [{ width, height, pose }] = decodePoses(bare, CANVAS)
  assert.deepEqual({ width, height, pose }, { ...CANVAS, pose: POSE })
  assert.throws(() => decodePoses(bare), PoseError)
})

test('whatever else comes is refused with a word on why', () => {
  const numbers = keyPoints(POSE)
  const refused = [
    'no JSON', '', '[]', '3', 'null', '"x"', '[3]', '{}', '{"people": 3}',
    JSON.stringify(frame(numbers.slice(6))), JSON.stringify(frame(numbers.with(3, 'a'))),
    JSON.stringify(frame(numbers.with(3, 1e9))), JSON.stringify(frame('text')),
    JSON.stringify({ ...frame(numbers), canvas_width: 0 }), JSON.stringify({ ...frame(numbers), canvas_height: 1.5 }),
    JSON.stringify({ ...frame(), people: [3] }), JSON.stringify({ keypoints_x: [1], keypoints_y: [1] })
  ]
  for (const text of refused) {
    assert.throws(() => decodePoses(text), (error) => error instanceof PoseError && error.message.length > 10, text)
  }
})

const hidden = 0.15

/** Numbers from 0 to 1, the same at every run. */
function* randomNumbers(seed) {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    yield state / 2 ** 32
  }
}

test('19, 20 and 25 points are read in the right order, or it is said that the order is not clear', () => {
  const random = randomNumbers(11)
  const next = () => random.next().value
  let read = 0
  for (let round = 0; round < 600; round++) {
    const file = new URL(`../../web/poses/${BUNDLED[Math.floor(next() * BUNDLED.length)]}`, import.meta.url)
    const [{ pose: whole }] = decodePoses(readFileSync(file, 'utf8'))
    const size = 0.2 + 3 * next()
    const pose = whole.map((point) => (point && next() > hidden ? point.map((value) => value * size) : null))
    if (pose.filter(Boolean).length < 2) continue
    const middle = pose[8] && pose[11] && [0, 1].map((axis) => (pose[8][axis] + pose[11][axis]) / 2)
    const [isBody25, count] = [next() < 0.5, [19, 20, 25][Math.floor(next() * 3)]]
    const points = isBody25
      ? [...pose.slice(0, 8), middle, ...pose.slice(8), ...Array(3).fill(pose[13]), ...Array(3).fill(pose[10])]
      : [...pose, pose[10], pose[13], ...Array(5).fill(null)]
    const written = { ...frame(keyPoints(points.slice(0, count))), canvas_width: 1500, canvas_height: 2000 }
    try {
      assert.deepEqual(decodeOne(written), pose)
      read++
    } catch (error) {
      assert.match(error.message, /order of these \d+ points is not clear/)
    }
  }
  assert.ok(read > 450, `${read} read`)
})

test('files in UTF-8 and UTF-16, with a byte order mark or without', () => {
  const text = encodePoses([POSE], CANVAS)
  const little = Buffer.from(`\ufeff${text}`, 'utf16le')
  const files = [Buffer.from(text), Buffer.from(`\ufeff${text}`), little, little.subarray(2), Buffer.from(little).swap16()]
  for (const file of files) assert.deepEqual(decodePoses(decodeText(Uint8Array.from(file).buffer))[0].pose, POSE)
})

test('too much is refused by name', () => {
  assert.throws(() => decodePoses(JSON.stringify(Array(5001).fill({}))), /5001 frames; more than 5000/)
  const crowd = { ...frame(), people: Array(10001).fill({}) }
  assert.throws(() => decodePoses(JSON.stringify(crowd)), /10001 people; more than 10000/)
  assert.throws(() => decodePoses('[[[[[[[[]]]]]]]]'), /nested too deeply/)
})
