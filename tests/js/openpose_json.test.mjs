/** The page's own form of key points: read back as written, and nothing else taken for it. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'

import { readCanonical } from '../../web/js/pose_editor/openpose_json.js'
import { STANDING } from '../../web/js/pose_editor/skeleton.js'
import { encodePoses } from './encoded.mjs'

const CANVAS = { width: 352, height: 512 }
const POSE = STANDING.pose.with(4, null).with(7, [-20.25, 600.5])
const POSES = new URL('../../web/poses/', import.meta.url)

const keyPoints = (pose, score = 1) => pose.flatMap((point) => (point ? [...point, score] : [0, 0, 0]))
const frame = (...bodies) => ({
  canvas_width: 352,
  canvas_height: 512,
  people: bodies.map((body) => ({ pose_keypoints_2d: body }))
})

test('poses written and read are the same poses, and the same text', () => {
  const text = encodePoses([POSE, STANDING.pose], CANVAS)
  const frames = readCanonical(text)
  assert.deepEqual(frames.map(({ width, height, pose }) => ({ width, height, pose })), [
    { ...CANVAS, pose: POSE }, { ...CANVAS, pose: STANDING.pose }
  ])
  assert.equal(encodePoses(frames.map(({ pose }) => pose), CANVAS), text)
})

test('poses are written in pixels to a hundredth, confidence 1, hidden joints 0,0,0', () => {
  const [first] = JSON.parse(encodePoses([POSE.with(0, [1 / 3, 2])], CANVAS))
  assert.deepEqual(Object.keys(first), ['canvas_width', 'canvas_height', 'people'])
  const numbers = first.people[0].pose_keypoints_2d
  assert.equal(numbers.length, 54)
  assert.deepEqual(numbers.slice(0, 3), [0.33, 2, 1])
  assert.deepEqual(numbers.slice(12, 15), [0, 0, 0])
})

test('every bundled pose is in the page\'s own form', () => {
  for (const name of readdirSync(POSES).filter((file) => file.endsWith('.json'))) {
    assert.ok(readCanonical(readFileSync(new URL(name, POSES), 'utf8')), name)
  }
})

test('of several people the marked one is taken, else the largest', () => {
  const small = POSE.map((point) => point && point.map((value) => value / 2))
  const crowd = frame(keyPoints(small), keyPoints(POSE))
  assert.equal(readCanonical(JSON.stringify([crowd]))[0].chosen, 1)
  crowd.people[0].chosen = true
  assert.equal(readCanonical(JSON.stringify([crowd]))[0].chosen, 0)
})

test('every other form is left to the server', () => {
  const numbers = keyPoints(POSE)
  const metres = Array.from({ length: 72 }, (_, index) => index)
  const others = [
    'no JSON', '', '[]', '3', 'null', '[null]', '[3]', '{}', JSON.stringify(frame(numbers)), JSON.stringify([frame()]),
    ...[
      frame(numbers.slice(6)), frame([...numbers, 1, 1, 1]), frame(numbers.with(3, 'a')), frame(numbers.with(3, null)),
      frame('text'), frame(null), frame(keyPoints(POSE, 0.9)), frame(keyPoints(POSE, 2)),
      frame(numbers.map((number, index) => (index % 3 === 2 ? number : number / 600))),
      { ...frame(numbers), canvas_width: 0 }, { ...frame(numbers), canvas_height: 1.5 },
      { people: frame(numbers).people }, { ...frame(), people: [3] }, { ...frame(), people: [{ keypoints: numbers }] },
      { ...frame(), people: [{ pose_keypoints_2d: numbers, pose_keypoints_3d: metres.slice(4) }] }
    ].map((one) => JSON.stringify([one]))
  ]
  for (const text of others) assert.equal(readCanonical(text), null, text)
  const whole = { ...frame(), people: [{ pose_keypoints_2d: numbers, pose_keypoints_3d: metres }] }
  assert.ok(readCanonical(JSON.stringify([whole])))
})
