/**
 * One editing session: what is stored, what is drawn from it, the selection and the undo history. It knows no page.
 *
 * Stored are a JSON text and a canvas size, {text, canvas}. What is shown is always derived from them by the rule of
 * the Python node, so the same text gives the same figure everywhere; an edit is: derive, change, encode, store.
 */
import * as geometry from './geometry.js'
import { amend, record, redo, startHistory, undo } from './history.js'
import { decodePoses, decodeStored, encodePoses } from './openpose_json.js'
import { JOINT_NAMES, STANDING } from './skeleton.js'

export class PoseSession {
  /** The poses of all frames on the canvas. */
  frames = []
  /** The number of the frame being edited, from 0. */
  frame = 0
  /** The selected joint, or null. */
  joint = null
  /** What dragging does: 'joints' or 'figure'. */
  tool = 'joints'
  /** Why the stored text cannot be shown, or ''. */
  error = ''
  /** Why nothing can be shown or edited here, or ''. */
  locked = ''
  /** Whether the node has a pose to pass on while nothing is stored. */
  hasInput = false

  #history = startHistory({ text: '', canvas: { width: STANDING.width, height: STANDING.height } })
  #draft = null
  #incoming = ''
  /** While the canvas is being resized: what it was before, so that small steps do not add up. */
  #resizing = null
  #write
  #changed

  /**
   * write({text, canvas}) stores what the user made; changed(message) follows every change, with a word for the status
   * line where there is something to say.
   */
  constructor({ write, changed }) {
    this.#write = write
    this.#changed = changed
    this.#derive()
  }

  get text() {
    return this.#history.present.text
  }

  get canvas() {
    return this.#history.present.canvas
  }

  /** Whether there is a stored pose; without one the figure shown is only a starting point. */
  get isStored() {
    return this.text.trim() !== ''
  }

  get canEdit() {
    return !this.error && !this.locked
  }

  get canUndo() {
    return this.#history.past.length > 0
  }

  get canRedo() {
    return this.#history.future.length > 0
  }

  /** The pose being edited, in the middle of a drag too. */
  get pose() {
    return this.#draft ?? this.frames[this.frame]
  }

  /** What a loaded workflow begins with: nothing to undo before it. */
  start(text, canvas) {
    this.#history = startHistory({ text, canvas })
    this.#refresh()
  }

  /** The text was changed outside; this can be undone here as well. */
  setText(text) {
    if (text === this.text) return
    this.#history = record(this.#history, { text, canvas: this.canvas })
    this.#refresh()
  }

  /** The canvas was given another size outside: the stored poses follow, scaled as a whole and centred. */
  resize(canvas) {
    if (canvas.width === this.canvas.width && canvas.height === this.canvas.height) return
    const isContinued = this.#resizing?.present === this.#history.present
    const { frames, canvas: before } = isContinued ? this.#resizing : this
    const keepsText = !this.isStored || !this.canEdit
    const poses = frames.map((pose) => geometry.fitPose(pose, before, canvas))
    const present = { text: keepsText ? this.text : encodePoses(poses, canvas), canvas }
    this.#resizing = { frames, canvas: before, present }
    this.#show(isContinued ? amend(this.#history, present) : record(this.#history, present), sizeOf(canvas))
  }

  /** What came in through the node's input for poses, '' before it is known: the starting point. */
  setIncoming(text) {
    this.#incoming = text
    this.#refresh()
  }

  /** What is wired into the node: whether a pose is, and whether the text itself comes from elsewhere. */
  setConnections({ pose, text }) {
    this.hasInput = pose
    this.locked = text ? 'pose_json comes from a connected node.' : ''
    if (!pose) this.#incoming = ''
    this.#refresh()
  }

  selectJoint(joint) {
    this.joint = joint
    this.#changed(joint === null ? 'Nothing selected' : this.describe(joint))
  }

  stepJoint(step) {
    const count = JOINT_NAMES.length
    this.selectJoint(this.joint === null ? (step > 0 ? 0 : count - 1) : (this.joint + step + count) % count)
  }

  selectTool(tool) {
    this.tool = tool
    this.#changed(tool === 'figure' ? 'Drag moves, turns and scales the whole figure' : 'Drag moves joints and limbs')
  }

  selectFrame(frame) {
    this.#draft = null
    this.frame = Math.min(Math.max(frame, 0), this.frames.length - 1)
    this.#changed(`Frame ${this.frame + 1} of ${this.frames.length}`)
  }

  describe(joint) {
    const point = this.pose[joint]
    const name = JOINT_NAMES[joint][0].toUpperCase() + JOINT_NAMES[joint].slice(1)
    return point ? `${name}: ${Math.round(point[0])}, ${Math.round(point[1])}` : `${name}: hidden`
  }

  /** Shows a pose that is not stored yet: a drag on its way. */
  preview(pose) {
    this.#draft = pose
    this.#changed(this.joint === null ? '' : this.describe(this.joint))
  }

  cancelPreview() {
    this.#draft = null
    this.#changed()
  }

  /** Stores `pose` as the frame being edited. */
  commit(pose, message = '') {
    if (!this.canEdit) return
    this.#storePoses(this.frames.with(this.frame, pose), this.frame, message)
  }

  commitPreview() {
    if (this.#draft) this.commit(this.#draft, this.joint === null ? '' : this.describe(this.joint))
  }

  /** Moves the selected joint, its limb, or the figure. scope: 'joint', 'limb' or 'figure'. */
  nudge(offset, scope) {
    if (scope === 'figure') return this.commit(geometry.translatePose(this.pose, offset), 'Figure moved')
    const point = this.joint === null ? null : this.pose[this.joint]
    if (!point) return
    const moved = [point[0] + offset[0], point[1] + offset[1]]
    this.commit(
      scope === 'limb'
        ? geometry.moveLimb(this.pose, this.joint, offset)
        : geometry.moveJoint(this.pose, this.joint, moved)
    )
    this.#changed(this.describe(this.joint))
  }

  turn(degrees) {
    this.#changeFigure((centre) => geometry.rotatePose(this.pose, (degrees * Math.PI) / 180, centre), 'Figure turned')
  }

  scale(factor) {
    this.#changeFigure((centre) => geometry.scalePose(this.pose, factor, centre), 'Figure scaled')
  }

  mirror() {
    this.commit(geometry.mirrorPose(this.pose), 'Figure mirrored')
  }

  hide(joint) {
    if (joint === null || !this.pose[joint]) return
    this.commit(geometry.hideJoint(this.pose, joint))
    this.selectJoint(joint)
  }

  toggle(joint) {
    if (joint === null) return
    if (this.pose[joint]) return this.hide(joint)
    this.commit(geometry.moveJoint(this.pose, joint, geometry.estimateJoint(this.pose, joint, this.canvas)))
    this.selectJoint(joint)
  }

  addFrame(pose = this.pose) {
    if (!this.canEdit) return
    const frames = this.frames.toSpliced(this.frame + 1, 0, pose)
    this.#storePoses(frames, this.frame + 1, `Frame ${this.frame + 2} of ${frames.length} added`)
  }

  addStandingFrame() {
    this.addFrame(standing(this.canvas))
  }

  removeFrame() {
    if (!this.canEdit || this.frames.length === 1) return
    const frames = this.frames.toSpliced(this.frame, 1)
    this.#storePoses(frames, Math.min(this.frame, frames.length - 1), `Frame deleted, ${frames.length} left`)
  }

  /**
   * Takes over poses from OpenPose JSON. One frame replaces the frame being edited, or is put after it; several
   * replace all. Raises PoseError, and keeps what is there, where nobody is in one.
   */
  take(text, { asNewFrame = false } = {}) {
    if (this.locked) return
    const frames = decodePoses(text, this.canvas)
    const poses = frames.map((frame) => geometry.fitPose(frame.pose, frame, this.canvas))
    if (asNewFrame && poses.length === 1) return this.addFrame(poses[0])
    const keepOthers = poses.length === 1 && !this.error
    this.#storePoses(
      keepOthers ? this.frames.with(this.frame, poses[0]) : poses,
      keepOthers ? this.frame : 0,
      poses.length === 1 ? 'Pose taken over' : `${poses.length} frames taken over`
    )
  }

  /** Forgets the stored poses; the figure shown is again a starting point. */
  clear() {
    if (!this.locked) this.#store('', 'Nothing stored: this is a starting point')
  }

  undo() {
    if (this.canUndo && !this.locked) this.#show(undo(this.#history), 'Undone')
  }

  redo() {
    if (this.canRedo && !this.locked) this.#show(redo(this.#history), 'Redone')
  }

  /** All frames as OpenPose JSON, a starting point too. */
  encode() {
    return this.error ? this.text : encodePoses(this.frames, this.canvas)
  }

  #changeFigure(change, message) {
    const box = geometry.boundsOf(this.pose)
    if (box) this.commit(change(geometry.centreOf(box)), message)
  }

  #storePoses(poses, frame, message) {
    this.frame = frame
    this.#store(encodePoses(poses, this.canvas), message)
  }

  #store(text, message) {
    const isSame = text === this.text
    this.#show(isSame ? this.#history : record(this.#history, { text, canvas: this.canvas }), message)
  }

  #show(history, message) {
    const isNew = history.present !== this.#history.present
    this.#history = history
    this.#draft = null
    this.#derive()
    if (isNew) this.#write(history.present)
    this.#changed(message)
  }

  #refresh() {
    this.#draft = null
    this.#derive()
    this.#changed()
  }

  #derive() {
    this.error = ''
    this.frames = [JOINT_NAMES.map(() => null)]
    const text = this.isStored ? this.text : this.#incoming
    try {
      if (!this.locked) this.frames = text ? this.#shown(text) : [standing(this.canvas)]
    } catch (error) {
      this.error = error.message
    }
    this.frame = Math.min(this.frame, this.frames.length - 1)
  }

  #shown(text) {
    return decodeStored(text).map((frame) => geometry.fitPose(frame.pose, frame, this.canvas))
  }
}

function standing(canvas) {
  return geometry.fitPose(STANDING.pose, STANDING, canvas)
}

function sizeOf({ width, height }) {
  return `Canvas ${width} × ${height}`
}
