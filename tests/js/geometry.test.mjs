import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  bendLimb, boneAt, boundsOf, centreOf, estimateJoint, fitPose, jointAt, mirrorPose, moveLimb,
  rotation, scaling, swingLimb, translation
} from '../../web/js/pose_editor/geometry.js'
import { BONES, MIRROR, NECK, PARENT, STANDING, limb } from '../../web/js/pose_editor/skeleton.js'

const CANVAS = { width: 352, height: 512 }
const POSE = STANDING.pose
const [R_SHOULDER, R_ELBOW, R_WRIST] = [2, 3, 4]

function assertClose(actual, expected, tolerance = 1e-9) {
  assert.equal(actual.length, expected.length)
  actual.forEach((point, joint) => {
    if (!point || !expected[joint]) return assert.equal(point, expected[joint], `joint ${joint}`)
    const distance = Math.hypot(point[0] - expected[joint][0], point[1] - expected[joint][1])
    assert.ok(distance <= tolerance, `joint ${joint}: ${point} is not ${expected[joint]}`)
  })
}

const moved = (pose, move) => pose.map((point) => move(point))

const boneLengths = (pose) =>
  BONES.map(([from, to]) => Math.hypot(pose[to][0] - pose[from][0], pose[to][1] - pose[from][1]))

test('the skeleton is a tree of 17 bones that hangs on the neck', () => {
  assert.equal(PARENT[NECK], null)
  assert.equal(new Set(limb(NECK)).size, 18)
  assert.deepEqual(limb(R_SHOULDER), [2, 3, 4])
  assert.deepEqual(limb(0).toSorted((a, b) => a - b), [0, 14, 15, 16, 17])
})

test('a moved limb takes its visible children along, hidden ones stay hidden', () => {
  const moved = moveLimb(POSE.with(R_WRIST, null), R_SHOULDER, [5, -7])
  assert.deepEqual(moved[R_ELBOW], [POSE[R_ELBOW][0] + 5, POSE[R_ELBOW][1] - 7])
  assert.equal(moved[R_WRIST], null)
  assert.deepEqual(moved[5], POSE[5])
})

test('swinging a limb keeps every length and points the bone where it was dragged', () => {
  const pivot = POSE[R_SHOULDER]
  const swung = swingLimb(POSE, R_ELBOW, POSE[R_ELBOW], [pivot[0] - 50, pivot[1]])
  const lengths = boneLengths(POSE)
  boneLengths(swung).forEach((length, bone) => assert.ok(Math.abs(length - lengths[bone]) < 1e-9, `bone ${bone}`))
  assert.ok(Math.abs(swung[R_ELBOW][1] - pivot[1]) < 1e-9)
  assert.ok(swung[R_ELBOW][0] < pivot[0])
  assert.deepEqual(swung[R_SHOULDER], pivot)
})

test('rotations, scalings and translations are undone by their inverses', () => {
  const centre = [40, 300]
  assertClose(moved(moved(POSE, rotation(0.7, centre)), rotation(-0.7, centre)), POSE)
  assertClose(moved(moved(POSE, scaling(1.7, centre)), scaling(1 / 1.7, centre)), POSE)
  assertClose(moved(moved(POSE, translation([3, 4])), translation([-3, -4])), POSE)
})

test('a quarter turn is clockwise on the screen', () => {
  assertClose([rotation(Math.PI / 2, [0, 0])([10, 0])], [[0, 10]])
})

test('mirroring swaps left and right in place, and twice is the identity', () => {
  const pose = POSE.with(R_WRIST, [20, 40]).with(17, null)
  const mirrored = mirrorPose(pose)
  assert.deepEqual(boundsOf(mirrored), boundsOf(pose))
  assert.equal(mirrored[16], null)
  assert.deepEqual(mirrored[7], [boundsOf(pose).left + boundsOf(pose).right - 20, 40])
  assertClose(mirrorPose(mirrored), pose)
  assert.deepEqual(MIRROR.map((joint) => MIRROR[joint]), [...MIRROR.keys()])
})

test('a mirrored pose without any joint stays one', () => {
  const nobody = POSE.map(() => null)
  assert.deepEqual(mirrorPose(nobody), nobody)
})

test('a pose on another canvas keeps its proportions and is centred', () => {
  const fitted = fitPose(POSE, STANDING, { width: 1024, height: 512 })
  assertClose(fitted, moved(POSE, translation([(1024 - 352) / 2, 0])))
  const halved = moved(moved(POSE, scaling(0.5, [0, 0])), translation([0, 322]))
  assertClose(fitPose(POSE, CANVAS, { width: 176, height: 900 }), halved)
})

test('a hidden joint is looked for where the standing figure has it, at the size and turn of the figure', () => {
  const small = moved(POSE, scaling(0.5, [0, 0]))
  assertClose([estimateJoint(small.with(R_WRIST, null), R_WRIST, CANVAS)], [small[R_WRIST]])
  const fromBehind = mirrorPose(POSE).map((_, joint) => mirrorPose(POSE)[MIRROR[joint]])
  assertClose([estimateJoint(fromBehind.with(R_WRIST, null), R_WRIST, CANVAS)], [fromBehind[R_WRIST]])
})

test('a hidden joint is found for every figure, even one of nothing', () => {
  const nobody = POSE.map(() => null)
  for (const joint of POSE.keys()) {
    assert.deepEqual(estimateJoint(nobody, joint, CANVAS), POSE[joint])
    for (const other of POSE.keys()) {
      const found = estimateJoint(nobody.with(other, [30, 40]), joint, CANVAS)
      assert.ok(found.every(Number.isFinite), `${joint} from ${other}`)
    }
  }
})

test('the nearest joint within reach is hit, hidden ones never', () => {
  const [x, y] = POSE[R_WRIST]
  assert.equal(jointAt(POSE, [x + 3, y - 3], 8), R_WRIST)
  assert.equal(jointAt(POSE, [x + 3, y - 3], 4), null)
  assert.equal(jointAt(POSE.with(R_WRIST, null), [x, y], 8), null)
})

test('a bone is hit along its whole length and not beyond its ends', () => {
  const middle = centreOf(boundsOf([POSE[R_ELBOW], POSE[R_WRIST]]))
  assert.equal(boneAt(POSE, middle, 3), R_WRIST)
  assert.equal(boneAt(POSE, [POSE[R_WRIST][0], POSE[R_WRIST][1] + 10], 5), null)
  assert.equal(boneAt(POSE.with(R_ELBOW, null), middle, 3), null)
})

const span = (pose, one, other) => Math.hypot(pose[one][0] - pose[other][0], pose[one][1] - pose[other][1])
const LIMBS = [[2, 3, 4], [5, 6, 7], [8, 9, 10], [11, 12, 13]]

test('a wrist or ankle goes where it is dragged by bending the limb: no length changes, nothing else moves', () => {
  for (const [root, middle, end] of LIMBS) {
    for (let degrees = 0; degrees < 360; degrees += 15) {
      for (const share of [0.3, 0.7, 0.95]) {
        const [upper, lower] = [span(STANDING.pose, root, middle), span(STANDING.pose, middle, end)]
        const reach = Math.max(share * (upper + lower), Math.abs(upper - lower))
        const angle = (degrees * Math.PI) / 180
        const target = STANDING.pose[root].map((from, axis) => from + reach * (axis ? Math.sin(angle) : Math.cos(angle)))
        const bent = bendLimb(STANDING.pose, end, target)
        assert.ok(Math.hypot(bent[end][0] - target[0], bent[end][1] - target[1]) < 1e-6)
        assert.ok(Math.abs(span(bent, root, middle) - upper) < 1e-6)
        assert.ok(Math.abs(span(bent, middle, end) - lower) < 1e-6)
        assert.deepEqual(bent.with(middle, null).with(end, null), STANDING.pose.with(middle, null).with(end, null))
      }
    }
  }
})

test('what is out of reach is reached for with a straight limb', () => {
  const bent = bendLimb(STANDING.pose, 4, [-500, 134])
  const reach = span(STANDING.pose, 2, 3) + span(STANDING.pose, 3, 4)
  assert.ok(Math.hypot(bent[4][0] - (138 - reach), bent[4][1] - 134) < 1e-6)
})

test('elbows stay outside: at a hand on the hip, at a raised hand; a limb bent to one side stays so', () => {
  for (const [shoulder, elbow, wrist, outwards] of [[2, 3, 4, -1], [5, 6, 7, 1]]) {
    const [x, y] = STANDING.pose[shoulder]
    for (const target of [[x, y + 90], [x, y - 90]]) {
      assert.ok(outwards * (bendLimb(STANDING.pose, wrist, target)[elbow][0] - x) > 30, `${target}`)
    }
  }
  const inwards = STANDING.pose.with(3, [180, 180]).with(4, [140, 220])
  assert.ok(bendLimb(inwards, 4, [138, 225])[3][0] > 150)
})

test('a joint whose limb is not whole, or that ends none, goes alone', () => {
  const target = [50, 60]
  assert.deepEqual(bendLimb(STANDING.pose, 3, target), STANDING.pose.with(3, target))
  const without = STANDING.pose.with(3, null)
  assert.deepEqual(bendLimb(without, 4, target), without.with(4, target))
  assert.deepEqual(bendLimb(STANDING.pose.with(4, null), 4, target)[4], target)
})
