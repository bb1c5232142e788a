import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as edits from '../../web/js/pose_editor/edits.js'
import { amend, record, redo, startHistory, undo } from '../../web/js/pose_editor/history.js'
import { readCanonical } from '../../web/js/pose_editor/openpose_json.js'
import { newPerson } from '../../web/js/pose_editor/people.js'
import { PoseReader } from '../../web/js/pose_editor/pose_reader.js'
import { PoseSession } from '../../web/js/pose_editor/session.js'
import { STANDING } from '../../web/js/pose_editor/skeleton.js'
import { encodePoses } from './encoded.mjs'

const CANVAS = { width: 352, height: 512 }
const R_WRIST = 4

/** fetchApi stands for the server's; only texts in another form than the page's own reach it. */
function startSession(text = '', fetchApi = null) {
  const written = []
  const canvases = []
  const write = (entry) => {
    written.push(entry.text)
    canvases.push(entry.canvas)
  }
  const session = new PoseSession({ reader: new PoseReader({ fetchApi }), write, changed: () => {} })
  session.start(text, CANVAS)
  return { session, written, canvases, stored: () => readCanonical(written.at(-1)).map(({ pose }) => pose) }
}

/** Lets answers arrive. */
const settle = () => new Promise((done) => setTimeout(done))

const framesOf = (poses, canvas) => readCanonical(encodePoses(poses, canvas))

test('history: undo and redo walk the line, a new step forgets what was undone', () => {
  let history = record(record(startHistory('a'), 'b'), 'c')
  history = undo(history)
  assert.equal(history.present, 'b')
  assert.equal(redo(history).present, 'c')
  history = record(history, 'd')
  assert.equal(redo(history).present, 'd')
  assert.equal(undo(undo(undo(history))).present, 'a')
  assert.deepEqual(amend(undo(history), 'x'), { past: ['a'], present: 'x', future: [] })
})

test('an empty text shows a standing figure and stores nothing until the first edit', () => {
  const { session, written, stored } = startSession()
  assert.deepEqual(session.pose, STANDING.pose)
  assert.equal(session.isStored, false)
  session.selectJoint(R_WRIST)
  session.selectTool('figure')
  session.resize(CANVAS)
  assert.deepEqual(written, [])
  edits.nudge(session, [1, 0], 'joint')
  assert.deepEqual(stored(), [STANDING.pose.with(R_WRIST, [119, 256])])
  session.undo()
  assert.equal(written.at(-1), '')
})

test('what is stored is what is shown', () => {
  const { session, stored } = startSession()
  edits.rotate(session, 33.3)
  assert.deepEqual(stored(), session.frames)
  edits.mirror(session)
  edits.scale(session, 1.01)
  assert.deepEqual(stored(), session.frames)
})

test('mirroring twice stores the same text', () => {
  const { session, written } = startSession()
  edits.nudge(session, [0.37, 0], 'figure')
  const before = written.at(-1)
  edits.mirror(session)
  edits.mirror(session)
  assert.equal(written.at(-1), before)
})

test('a preview stores nothing; taken back, it leaves no trace', () => {
  const { session, written } = startSession()
  session.preview(newPerson(session.pose.with(0, [1, 1])))
  assert.deepEqual(session.pose[0], [1, 1])
  session.cancelPreview()
  assert.deepEqual(session.pose, STANDING.pose)
  assert.deepEqual(written, [])
})

test('undo and redo go through every edit', () => {
  const { session, written } = startSession()
  session.selectJoint(R_WRIST)
  edits.nudge(session, [10, 0], 'limb')
  edits.hide(session, R_WRIST)
  session.addFrame()
  const texts = [...written]
  session.undo()
  session.undo()
  assert.equal(session.text, texts[0])
  session.redo()
  session.redo()
  assert.equal(session.text, texts[2])
  assert.equal(session.canRedo, false)
})

test('a hidden joint comes back where it would be', () => {
  const { session, stored } = startSession()
  edits.toggle(session, R_WRIST)
  assert.equal(stored()[0][R_WRIST], null)
  edits.toggle(session, R_WRIST)
  assert.deepEqual(stored()[0], STANDING.pose)
})

test('frames: new, duplicate, switch, delete; the last one stays', () => {
  const { session, stored } = startSession()
  edits.nudge(session, [5, 5], 'figure')
  session.addFrame()
  edits.nudge(session, [100, 0], 'figure')
  session.addStandingFrame()
  assert.equal(session.frame, 2)
  assert.deepEqual(stored().map((pose) => pose[0]), [[181, 95], [281, 95], [176, 90]])
  session.selectFrame(0)
  session.removeFrame()
  assert.deepEqual(stored().map((pose) => pose[0]), [[281, 95], [176, 90]])
  session.selectFrame(99)
  assert.equal(session.frame, 1)
  session.removeFrame()
  session.removeFrame()
  assert.equal(stored().length, 1)
})

test('poses of another canvas are shown as the node scales them, and stored so only when edited', () => {
  const text = encodePoses([STANDING.pose], { width: 704, height: 512 })
  const { session, written, stored } = startSession(text)
  assert.deepEqual(session.pose[1], [88, 194])
  assert.deepEqual(written, [])
  edits.nudge(session, [1, 0], 'figure')
  assert.equal(readCanonical(written.at(-1))[0].width, 352)
  assert.deepEqual(stored()[0][1], [89, 194])
})

test('when the canvas is resized the figure keeps its proportions, and finds back through all steps', () => {
  const { session, written, canvases, stored } = startSession(encodePoses([STANDING.pose], CANVAS))
  session.resize({ width: 704, height: 512 })
  assert.deepEqual(stored()[0][1], [352, 132])
  for (let width = 700; width >= 16; width -= 4) session.resize({ width, height: 512 })
  session.resize(CANVAS)
  assert.deepEqual(stored()[0], STANDING.pose)
  session.resize({ width: 200, height: 100 })
  assert.equal(readCanonical(written.at(-1))[0].height, 100)
  session.undo()
  assert.deepEqual(stored()[0], STANDING.pose)
  assert.deepEqual(canvases.at(-1), CANVAS)
  assert.equal(session.canUndo, false)
})

test('resizing the canvas of an empty editor stores no pose', () => {
  const { session, written } = startSession()
  session.resize({ width: 704, height: 1024 })
  assert.deepEqual(written, [''])
  assert.deepEqual(session.pose[1], [352, 264])
})

test('one frame taken over replaces the frame being edited, or follows it; several replace all', () => {
  const { session, stored } = startSession()
  const other = STANDING.pose.with(0, [1, 1])
  session.addFrame()
  session.take(framesOf([other], CANVAS))
  assert.deepEqual(stored().map((pose) => pose[0]), [[176, 90], [1, 1]])
  session.take(framesOf([other], CANVAS), { asNewFrame: true })
  assert.equal(stored().length, 3)
  session.take(framesOf([other, other], CANVAS))
  assert.deepEqual(stored(), [other, other])
  session.take(framesOf([STANDING.pose, other], CANVAS), { asNewFrame: true })
  assert.deepEqual(stored(), [other, STANDING.pose, other, other])
  assert.equal(session.frame, 1)
})

test('a text that cannot be read is kept until the user replaces it', async () => {
  const refusal = async () => Response.json({ error: 'The pose is not valid JSON' }, { status: 422 })
  const { session, written } = startSession('{"broken"', refusal)
  assert.ok(session.isReading)
  await settle()
  assert.match(session.error, /JSON/)
  edits.nudge(session, [1, 1], 'figure')
  session.addFrame()
  edits.mirror(session)
  assert.deepEqual(written, [])
  session.take(framesOf([STANDING.pose], CANVAS))
  assert.equal(session.error, '')
  assert.equal(written.length, 1)
  session.undo()
  assert.match(session.error, /JSON/, 'at once: it is remembered')
})

test('a text of another form is shown once the server has read it, stored as it was until edited', async () => {
  const answer = encodePoses([STANDING.pose.with(0, [100, 50])], CANVAS)
  const { session, written, stored } = startSession('other form', async () => Response.json({ frames: JSON.parse(answer) }))
  edits.nudge(session, [1, 1], 'figure')
  assert.deepEqual(written, [], 'nothing can be edited that is not read yet')
  assert.equal(session.encode(), 'other form')
  await settle()
  assert.deepEqual(session.pose[0], [100, 50])
  assert.equal(session.text, 'other form')
  edits.nudge(session, [1, 1], 'figure')
  assert.deepEqual(stored()[0][0], [101, 51])
  session.undo()
  assert.equal(session.text, 'other form')
  assert.deepEqual(session.pose[0], [100, 50])
})

test('an answer that comes after the text was replaced changes nothing', async () => {
  const answers = []
  const { session } = startSession('slow', () => new Promise((done) => answers.push(done)))
  session.setText(encodePoses([STANDING.pose], CANVAS))
  await settle()
  answers[0](Response.json({ error: 'too late' }, { status: 422 }))
  await settle()
  assert.equal(session.error, '')
  assert.deepEqual(session.pose, STANDING.pose)
})

test('a server that does not answer is an error that another reading mends', async () => {
  let answer = () => Promise.reject(new TypeError('Failed to fetch'))
  const { session } = startSession('other form', () => answer())
  await settle()
  assert.match(session.error, /does not answer/)
  assert.equal(session.isReading, false)
  answer = async () => Response.json({ frames: JSON.parse(encodePoses([STANDING.pose], CANVAS)) })
  session.start('other form', CANVAS)
  await settle()
  assert.equal(session.error, '')
})

test('a locked session stores nothing', () => {
  const { session, written } = startSession()
  session.setConnections({ pose: false, text: true })
  assert.match(session.locked, /connected/)
  assert.deepEqual(session.pose, STANDING.pose.map(() => null))
  edits.nudge(session, [1, 1], 'figure')
  session.take(framesOf([STANDING.pose], CANVAS))
  session.clear()
  session.undo()
  assert.deepEqual(written, [])
})

test('a pose from the input is the starting point while nothing is stored', () => {
  const { session, written, stored } = startSession()
  const other = STANDING.pose.with(0, [1, 1])
  session.setConnections({ pose: true, text: false })
  session.setIncoming(encodePoses([other], CANVAS))
  assert.deepEqual(session.pose, other)
  assert.deepEqual(written, [])
  edits.nudge(session, [1, 0], 'figure')
  assert.deepEqual(stored()[0][0], [2, 1])
  session.setIncoming(encodePoses([STANDING.pose], CANVAS))
  assert.deepEqual(session.pose[0], [2, 1])
  session.undo()
  session.setConnections({ pose: false, text: false })
  assert.deepEqual(session.pose, STANDING.pose)
})

test('a text set from outside can be undone, an equal one changes nothing', () => {
  const { session } = startSession()
  const text = encodePoses([STANDING.pose.with(0, [1, 1])], CANVAS)
  session.setText(text)
  session.setText(text)
  assert.deepEqual(session.pose[0], [1, 1])
  session.undo()
  assert.equal(session.canUndo, false)
  assert.equal(session.text, '')
})

test('a figure dragged out of its canvas, or hidden joint by joint, can still be edited', () => {
  const { session } = startSession()
  edits.nudge(session, [1000, 0], 'figure')
  edits.nudge(session, [-1000, 0], 'figure')
  assert.deepEqual(session.pose, STANDING.pose)
  STANDING.pose.forEach((_, joint) => edits.hide(session, joint))
  assert.equal(session.error, '')
  edits.toggle(session, R_WRIST)
  assert.ok(session.pose[R_WRIST])
})
