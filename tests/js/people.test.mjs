/** Several people in a frame: who is CFLD's, and that nobody else is touched. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { translation } from '../../web/js/pose_editor/geometry.js'
import { decodePoses } from '../../web/js/pose_editor/openpose_json.js'
import { mirrorPerson, movePerson, newPerson, rotatePerson, withPose } from '../../web/js/pose_editor/people.js'
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
  pose_keypoints_2d: body(half, 0.87),
  face_keypoints_2d: Array.from({ length: 210 }, (_, index) => (index % 3 === 2 ? 0.5 : 90.125 + index)),
  hand_left_keypoints_2d: Array.from({ length: 63 }, (_, index) => (index % 3 === 2 ? 1 : 20.333 + index)),
  pose_keypoints_3d: METRES.flatMap((point) => [...point, 1])
}

function start(people, canvas = CANVAS) {
  const written = []
  const session = new PoseSession({ write: ({ text }) => written.push(text), changed: () => {} })
  session.start(JSON.stringify([{ people, canvas_width: canvas.width, canvas_height: canvas.height }]), CANVAS)
  return { session, written, stored: () => JSON.parse(written.at(-1))[session.frame].people }
}

const two = () => start([{ pose_keypoints_2d: body(STANDING.pose) }, OTHER])

test('the largest is chosen at first; an edit leaves everybody else as they were, and marks who is chosen', () => {
  const { session, stored } = two()
  assert.equal(session.chosen, 0)
  session.selectJoint(R_WRIST)
  session.nudge([1, 0], 'joint')
  assert.deepEqual(stored()[1], OTHER)
  assert.equal(stored()[0].chosen, true)
  assert.deepEqual(decodePoses(session.text)[0].pose, STANDING.pose.with(R_WRIST, [119, 256]))
})

test('another person is chosen: stored, shown, edited, undone', () => {
  const { session, stored } = two()
  session.choosePerson(1)
  assert.deepEqual(session.pose, half)
  assert.deepEqual(stored(), [{ pose_keypoints_2d: body(STANDING.pose) }, { ...OTHER, chosen: true }])
  session.nudge([10, 0], 'figure')
  assert.deepEqual(stored()[0], { pose_keypoints_2d: body(STANDING.pose) })
  assert.deepEqual(decodePoses(session.text)[0].pose[0], [98, 45])
  session.undo()
  session.undo()
  assert.equal(session.chosen, 0)
})

test('the whole figure takes hands and face along; a joint alone leaves them out', () => {
  const { session, stored } = two()
  session.choosePerson(1)
  session.nudge([10, 20], 'figure')
  const [, moved] = stored()
  assert.deepEqual(moved.face_keypoints_2d.slice(0, 3), [100.13, 111.13, 0.5])
  assert.deepEqual(moved.pose_keypoints_2d.slice(0, 3), [98, 65, 0.87])
  assert.deepEqual(moved.pose_keypoints_3d, OTHER.pose_keypoints_3d)
  session.selectJoint(R_WRIST)
  session.nudge([1, 0], 'joint')
  assert.deepEqual(Object.keys(stored()[1]), ['pose_keypoints_2d', 'pose_keypoints_3d', 'chosen'])
  assert.deepEqual(stored()[1].pose_keypoints_3d.slice(16, 20), [0, 0, 0, 0])
  assert.deepEqual(stored()[1].pose_keypoints_3d.slice(0, 16), OTHER.pose_keypoints_3d.slice(0, 16))
})

test('on another canvas everybody keeps their proportions, with hands and face', () => {
  const { session, stored } = start([{ pose_keypoints_2d: body(STANDING.pose) }, OTHER], { width: 704, height: 512 })
  session.nudge([1, 0], 'figure')
  const [, other] = stored()
  assert.deepEqual(other.pose_keypoints_2d.slice(0, 3), [44, 150.5, 0.87])
  assert.deepEqual(other.hand_left_keypoints_2d.slice(0, 3), [10.17, 138.67, 1])
  assert.deepEqual(other.pose_keypoints_3d, OTHER.pose_keypoints_3d)
})

test('shares of the canvas become pixels, of hands too', () => {
  const shares = (numbers) => numbers.map((number, index) => (index % 3 === 2 ? 1 : number / (index % 3 ? 512 : 352)))
  const { session, stored } = start([
    { pose_keypoints_2d: body(STANDING.pose) },
    { pose_keypoints_2d: shares(body(half)), hand_left_keypoints_2d: shares(OTHER.hand_left_keypoints_2d) }
  ])
  session.nudge([1, 0], 'figure')
  assert.deepEqual(stored()[1].pose_keypoints_2d, body(half))
  assert.deepEqual(stored()[1].hand_left_keypoints_2d.slice(0, 2), [20.33, 21.33])
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
  const text = (...people) => JSON.stringify({ people, canvas_width: 352, canvas_height: 512 })
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

test('other forms than OpenPose\'s are written anew', () => {
  const keypoints = STANDING.pose.map((point) => [...point])
  const { session, stored } = start([{ keypoints }, { keypoints: half }])
  session.nudge([1, 0], 'figure')
  assert.deepEqual(stored()[1], { pose_keypoints_2d: body(half) })
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

test('key points in space that do not lie over the picture are refused, as in Python', () => {
  const wrong = { ...OTHER, pose_keypoints_3d: METRES.flatMap(([x, y, z]) => [-x, -y, z, 1]) }
  assert.match(start([wrong]).session.error, /does not lie over/)
  assert.match(start([{ ...OTHER, pose_keypoints_3d: [1, 2] }]).session.error, /list of 72 numbers/)
})
