/** Several people in a frame: who is CFLD's, and that nobody else is touched. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as edits from '../../web/js/pose_editor/edits.js'
import { translation } from '../../web/js/pose_editor/geometry.js'
import { readCanonical } from '../../web/js/pose_editor/openpose_json.js'
import { mirrorPerson, movePerson, newPerson, rotatePerson, withPose } from '../../web/js/pose_editor/people.js'
import { PoseReader } from '../../web/js/pose_editor/pose_reader.js'
import { PoseSession } from '../../web/js/pose_editor/session.js'
import { STANDING } from '../../web/js/pose_editor/skeleton.js'

const CANVAS = { width: 352, height: 512 }
const R_WRIST = 4
const body = (pose, score = 1) => pose.flatMap((point) => (point ? [...point, score] : [0, 0, 0]))
const half = STANDING.pose.map(([x, y]) => [x / 2, y / 2])
const METRES = STANDING.pose.map(([x, y], joint) => [(x - 176) / 250, (y - 262) / 250, joint / 100])
/** Somebody with everything that tools write: scores, hands, a face, metres, keys of their own. */
const OTHER = {
  person_id: [7],
  pose_keypoints_2d: body(half),
  face_keypoints_2d: Array.from({ length: 210 }, (_, index) => (index % 3 === 2 ? 0.5 : 90.125 + index)),
  hand_left_keypoints_2d: Array.from({ length: 63 }, (_, index) => (index % 3 === 2 ? 1 : 20.333 + index)),
  pose_keypoints_3d: METRES.flatMap((point) => [...point, 1])
}

function start(people, canvas = CANVAS) {
  const written = []
  const session = new PoseSession({ reader: new PoseReader(null), write: ({ text }) => written.push(text), changed: () => {} })
  session.start(JSON.stringify([{ people, canvas_width: canvas.width, canvas_height: canvas.height }]), CANVAS)
  return { session, written, stored: () => JSON.parse(written.at(-1))[session.frame].people }
}

const two = () => start([{ pose_keypoints_2d: body(STANDING.pose) }, OTHER])

test('the largest is chosen at first; an edit leaves everybody else as they were, and marks who is chosen', () => {
  const { session, stored } = two()
  assert.equal(session.chosen, 0)
  session.selectJoint(R_WRIST)
  edits.nudge(session, [1, 0], 'joint')
  assert.deepEqual(stored()[1], OTHER)
  assert.equal(stored()[0].chosen, true)
  assert.deepEqual(readCanonical(session.text)[0].pose, STANDING.pose.with(R_WRIST, [119, 256]))
})

test('another person is chosen: stored, shown, edited, undone', () => {
  const { session, stored } = two()
  session.choosePerson(1)
  assert.deepEqual(session.pose, half)
  assert.deepEqual(stored(), [{ pose_keypoints_2d: body(STANDING.pose) }, { ...OTHER, chosen: true }])
  edits.nudge(session, [10, 0], 'figure')
  assert.deepEqual(stored()[0], { pose_keypoints_2d: body(STANDING.pose) })
  assert.deepEqual(readCanonical(session.text)[0].pose[0], [98, 45])
  session.undo()
  session.undo()
  assert.equal(session.chosen, 0)
})

test('the whole figure takes hands and face along', () => {
  const { session, stored } = two()
  session.choosePerson(1)
  edits.nudge(session, [10, 20], 'figure')
  const [, moved] = stored()
  assert.deepEqual(moved.face_keypoints_2d.slice(0, 3), [100.13, 111.13, 0.5])
  assert.deepEqual(moved.pose_keypoints_2d.slice(0, 3), [98, 65, 1])
  assert.deepEqual(moved.pose_keypoints_3d, OTHER.pose_keypoints_3d)
  session.selectJoint(R_WRIST)
  edits.nudge(session, [1, 0], 'joint')
  assert.deepEqual(stored()[1].pose_keypoints_3d.slice(16, 20), [0, 0, 0, 0])
  assert.deepEqual(stored()[1].pose_keypoints_3d.slice(0, 16), OTHER.pose_keypoints_3d.slice(0, 16))
})

test('a hand goes with its wrist and turns with the forearm; the other hand and the face stay', () => {
  const [elbow, wrist] = [STANDING.pose[6], STANDING.pose[7]]
  const hand = [[...wrist, 1], [wrist[0] + 3, wrist[1] + 4, 1], [0, 0, 0], ...Array(18).fill([wrist[0], wrist[1] + 20, 0.5])]
  const more = { hand_left_keypoints_2d: hand.flat(), hand_right_keypoints_2d: hand.flat(), face_keypoints_2d: [9, 9, 1] }
  const person = { ...newPerson(STANDING.pose), more }
  const raised = [elbow[0] - (wrist[1] - elbow[1]), elbow[1] + (wrist[0] - elbow[0])] // a quarter turn about the elbow
  const { hand_left_keypoints_2d: moved, ...rest } = withPose(person, STANDING.pose.with(7, raised)).more
  assert.deepEqual(moved.slice(0, 9), [...raised, 1, raised[0] - 4, raised[1] + 3, 1, 0, 0, 0])
  assert.deepEqual(rest, { hand_right_keypoints_2d: hand.flat(), face_keypoints_2d: [9, 9, 1] })
  const hidden = withPose(person, STANDING.pose.with(7, null)).more
  assert.deepEqual(Object.keys(hidden), ['hand_right_keypoints_2d', 'face_keypoints_2d'])
})

test('in a mirror the left hand is the right one', () => {
  const person = { ...newPerson(STANDING.pose), more: { hand_left_keypoints_2d: [...STANDING.pose[7], 1] } }
  const { pose, more } = mirrorPerson(person)
  assert.deepEqual(more, { hand_right_keypoints_2d: [...pose[4], 1] })
})

test('on another canvas everybody keeps their proportions, with hands and face', () => {
  const { session, stored } = start([{ pose_keypoints_2d: body(STANDING.pose) }, OTHER], { width: 704, height: 512 })
  edits.nudge(session, [1, 0], 'figure')
  const [, other] = stored()
  assert.deepEqual(other.pose_keypoints_2d.slice(0, 3), [44, 150.5, 1])
  assert.deepEqual(other.hand_left_keypoints_2d.slice(0, 3), [10.17, 138.67, 1])
  assert.deepEqual(other.pose_keypoints_3d, OTHER.pose_keypoints_3d)
})

test('people are added where there is room, and deleted; the last one stays', () => {
  const { session, stored } = start([{ pose_keypoints_2d: body(STANDING.pose) }])
  session.addPerson()
  session.addPerson()
  const middles = session.people.map(({ pose }) => pose[1][0])
  assert.equal(new Set(middles).size, 3)
  assert.ok(session.people.every(({ pose }) => pose.every(([x]) => x >= 0 && x <= 352)), 'on the canvas')
  assert.equal(session.chosen, 2)
  assert.deepEqual(stored().map(({ chosen }) => chosen), [undefined, undefined, true])
  session.choosePerson(0)
  session.removePerson()
  assert.deepEqual(session.people.map(({ pose }) => pose[1][0]), middles.slice(1))
  session.removePerson()
  session.removePerson()
  assert.equal(stored().length, 1)
  assert.ok(!('chosen' in stored()[0]))
})

test('one pose taken over replaces the chosen person alone, several people the frame', () => {
  const { session, stored } = two()
  const text = (...people) => readCanonical(JSON.stringify([{ people, canvas_width: 352, canvas_height: 512 }]))
  session.take(text({ pose_keypoints_2d: body(STANDING.pose.with(0, [1, 1])) }))
  assert.deepEqual(session.pose[0], [1, 1])
  assert.deepEqual(stored()[1], OTHER)
  session.take(text(OTHER, OTHER, { pose_keypoints_2d: body(STANDING.pose) }))
  assert.equal(stored().length, 3)
  assert.equal(session.chosen, 2)
})

test('a duplicated frame has everybody', () => {
  const { session, stored } = two()
  session.addFrame()
  assert.deepEqual(stored()[1], OTHER)
  assert.equal(session.frames.length, 2)
})

test('depth goes with the figure: moved, turned in the plane, mirrored; a joint that moved loses its own', () => {
  const person = { ...newPerson(STANDING.pose), metres: METRES }
  assert.deepEqual(movePerson(person, translation([5, 5])).metres, METRES)
  const [x, y, z] = rotatePerson(person, Math.PI / 2, [0, 0]).metres[R_WRIST]
  assert.deepEqual([x, y, z].map((number) => Number(number.toFixed(9))), [-METRES[4][1], METRES[4][0], METRES[4][2]].map((number) => Number(number.toFixed(9))))
  assert.deepEqual(mirrorPerson(person).metres[R_WRIST], [-METRES[7][0], METRES[7][1], METRES[7][2]])
  const less = withPose(person, STANDING.pose.with(R_WRIST, [1, 1]))
  assert.equal(less.metres[R_WRIST], null)
  assert.deepEqual(less.metres[0], METRES[0])
  assert.deepEqual(withPose(person, STANDING.pose.with(R_WRIST, null)).metres[R_WRIST], null)
})
