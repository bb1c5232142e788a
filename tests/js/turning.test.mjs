/** Lifted and turned in the page as in Python: cases that cfld_modules wrote. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { createLifter, readSafetensors } from '../../web/js/pose_editor/lifter.js'
import { readMetres } from '../../web/js/pose_editor/keypoints_3d.js'
import { newPerson } from '../../web/js/pose_editor/people.js'
import { STANDING } from '../../web/js/pose_editor/skeleton.js'
import { lift, turn, turnPerson } from '../../web/js/pose_editor/turning.js'

const read = (path) => readFileSync(new URL(path, import.meta.url))
const bytes = read('../../web/lifter/lifter.safetensors')
const lifter = createLifter(readSafetensors(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)))
const CASES = JSON.parse(read('../data/turning_cases.json'))
/** Pixels of a figure of some 400, of what Python computes in single precision. */
const TOLERANCE = 1e-4

function assertClose(actual, expected, tolerance = TOLERANCE) {
  actual.forEach((point, joint) => {
    const wanted = expected[joint]
    const distance = point && wanted ? Math.hypot(...point.map((number, axis) => number - wanted[axis])) : 0
    const isClose = Boolean(point) === Boolean(wanted) && distance <= tolerance
    assert.ok(isClose, `joint ${joint}: ${point} is not ${wanted} (${distance})`)
  })
}

for (const { name, pose, metres, angle, tilt, canvas: [width, height], space, turned } of CASES) {
  test(name, () => {
    const person = { ...newPerson(pose), metres: metres && readMetres(metres) }
    const lifted = lift(person, { width, height }, lifter)
    assertClose(lifted, space)
    assertClose(turn(lifted, angle, tilt).pose, turned)
  })
}

test('a person turned twice, and back, is where it was', () => {
  const there = newPerson(STANDING.pose)
  const turned = turnPerson(turnPerson(there, STANDING, lifter, 60, 0), STANDING, lifter, 80, 0)
  const back = turnPerson(turned, STANDING, lifter, 220, 0)
  assert.ok(turned.pose.some((point) => !point), 'something is hidden at 140 degrees')
  assertClose(back.pose, STANDING.pose, 0.01)
})

test('whose metres are not known is taken to be as tall as an adult, and keeps its size', () => {
  const { metres } = turnPerson(newPerson(STANDING.pose), STANDING, lifter, 30, 0)
  const height = metres[10][1] - metres[0][1]
  assert.ok(height > 1.3 && height < 1.7, `${height} m from nose to ankle`)
  assert.deepEqual([8, 11].map((joint) => metres[joint]).reduce((sum, [x, y, z]) => sum + x + y + z, 0).toFixed(9), '0.000000000')
  const again = turnPerson({ ...newPerson(STANDING.pose), metres: null }, STANDING, lifter, 0, 0)
  const twice = turnPerson(again, STANDING, lifter, 0, 0)
  assertClose(twice.metres, again.metres, 1e-6)
})
