/** What the page reads itself and what it asks the server; the real server answers in tests/browser. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { PoseError, PoseReader } from '../../web/js/pose_editor/pose_reader.js'
import { STANDING } from '../../web/js/pose_editor/skeleton.js'
import { encodePoses } from './encoded.mjs'

const OWN = encodePoses([STANDING.pose], STANDING)
const OUTSIDE = encodePoses([STANDING.pose.map(([x, y]) => [x + 900, y])], STANDING)

/** A reader, what it asked, and what it is answered. */
function startReader(answer) {
  const asked = []
  const fetchApi = async (path, { body }) => {
    asked.push([path, typeof body === 'string' ? body : await body.text()])
    return answer()
  }
  return { reader: new PoseReader({ fetchApi }), asked }
}

const frames = () => Response.json({ frames: JSON.parse(OWN) })
const refusal = () => Response.json({ error: 'Key points, frame 1: nobody is in it' }, { status: 422 })

test('the page\'s own form is read without the server, shown wherever the figure was dragged', async () => {
  const { reader, asked } = startReader(refusal)
  assert.deepEqual((await reader.read(OWN))[0].pose, STANDING.pose)
  assert.equal(reader.known(OUTSIDE).frames.length, 1)
  assert.deepEqual(asked, [])
})

test('what comes in with the person outside the canvas is for the server to judge', async () => {
  const { reader, asked } = startReader(refusal)
  await assert.rejects(reader.read(OUTSIDE), { message: 'Key points, frame 1: nobody is in it' })
  assert.deepEqual(asked, [['/cfld/read_pose', OUTSIDE]])
})

test('another form is asked for once, also while the answer is on its way; canvas and file go along', async () => {
  const { reader, asked } = startReader(frames)
  assert.equal(reader.known('other'), undefined)
  const [one, two] = await Promise.all([reader.read('other'), reader.read('other')])
  assert.deepEqual(one, two)
  assert.equal(reader.known('other').frames[0].width, 352)
  await reader.read(new Blob(['file']), { width: 9, height: 8 })
  await reader.read(new Blob(['file']), { width: 9, height: 8 })
  assert.deepEqual(asked, [['/cfld/read_pose', 'other'], ['/cfld/read_pose?width=9&height=8', 'file']])
})

test('a refusal is remembered, a server that does not answer is asked again', async () => {
  const { reader } = startReader(refusal)
  await assert.rejects(reader.read('bad'), PoseError)
  assert.match(reader.known('bad').error, /nobody/)
  const away = startReader(() => Promise.reject(new TypeError('Failed to fetch')))
  for (const _ of [1, 2]) await assert.rejects(away.reader.read('bad'), /does not answer \(Failed to fetch\)/)
  assert.equal(away.reader.known('bad'), undefined)
  assert.equal(away.asked.length, 2)
})

test('a text larger than the server reads is not sent', async () => {
  const { reader, asked } = startReader(frames)
  await assert.rejects(reader.read('x'.repeat(2 ** 25 + 1)), /33 MB; more than 32 MB/)
  assert.deepEqual(asked, [])
})
