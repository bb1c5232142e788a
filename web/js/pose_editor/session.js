/**
 * One editing session: what is stored, what is drawn from it, the selection and the undo history. It knows no page.
 *
 * Stored are a JSON text and a canvas size, {text, canvas}. What is shown is always derived from them by the rule of
 * the Python node, so the same text gives the same figure everywhere; an edit is: derive, change, encode, store.
 */
import * as geometry from './geometry.js'
import { amend, record, redo, startHistory, undo } from './history.js'
import { jointMessage, takenMessage } from './messages.js'
import { encodeFrames } from './openpose_json.js'
import { alone, fitFrame, newPerson } from './people.js'
import { JOINT_NAMES, STANDING } from './skeleton.js'
import { said } from './texts.js'

/** Aspects that differ by less are one: a picture has whole pixels. */
const SAME_ASPECT = 0.01

export const TOOLS = ['joints', 'limbs', 'figure']

export class PoseSession {
  /** The number of the frame being edited, from 0. */
  frame = 0
  /** The selected joint, or null. */
  joint = null
  /** What dragging does: it moves a joint, a joint with its limb, or the figure. One of TOOLS. */
  tool = 'joints'
  /** Puts people in space, of `createLifter`; null before it is there. */
  lifter = null
  /** Why the stored text cannot be shown, or ''. */
  error = ''
  /** Why nothing can be shown or edited here, or ''. */
  locked = ''
  /** Whether the server is still reading the stored text, which is of another form than the page's own. */
  isReading = false
  /** Whether the node has a pose to pass on while nothing is stored. */
  hasInput = false

  #history = startHistory({ text: '', canvas: { width: STANDING.width, height: STANDING.height } })
  /** {people, chosen} of every frame, on the canvas. */
  #frames = []
  /** The chosen person in the middle of a drag. */
  #draft = null
  #incoming = ''
  /** While the canvas is being resized: what it was before, so that small steps do not add up. */
  #resizing = null
  #reader
  #write
  #changed

  /**
   * reader is a `PoseReader`; write({text, canvas}) stores what the user made; changed(message) follows every change, with
   * a word for the status line where there is something to say.
   */
  constructor({ reader, write, changed }) {
    this.#reader = reader
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

  /** The text that Run sends: empty only where a connected pose is passed on. */
  get sent() {
    return this.isStored || this.hasInput || this.locked ? this.text : this.encode()
  }

  get canEdit() {
    return !this.error && !this.locked && !this.isReading
  }

  get canUndo() {
    return this.#history.past.length > 0
  }

  get canRedo() {
    return this.#history.future.length > 0
  }

  /** The poses of all frames: in each that of the chosen person. */
  get frames() {
    return this.#frames.map(({ people, chosen }) => people[chosen].pose)
  }

  /** Everybody in the frame being edited, as in `people.js`. */
  get people() {
    const { people, chosen } = this.#frames[this.frame]
    return this.#draft ? people.with(chosen, this.#draft) : people
  }

  /** The number of the person being edited, who is CFLD's, from 0. */
  get chosen() {
    return this.#frames[this.frame].chosen
  }

  /** The person being edited, in the middle of a drag too. */
  get person() {
    return this.people[this.chosen]
  }

  get pose() {
    return this.person.pose
  }

  /** Whether the person can be turned in space. */
  get canTurn() {
    return this.canEdit && this.lifter !== null && this.pose.some(Boolean)
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
    const { frames, canvas: before } = isContinued ? this.#resizing : { frames: this.#frames, canvas: this.canvas }
    const keepsText = !this.isStored || !this.canEdit
    const fitted = frames.map((frame) => fitFrame(frame, before, canvas))
    const present = { text: keepsText ? this.text : encodeFrames(fitted, canvas), canvas }
    this.#resizing = { frames, canvas: before, present }
    this.#show(isContinued ? amend(this.#history, present) : record(this.#history, present), said('canvas', canvas))
  }

  /** What came in through the node's input for poses, '' before it is known: the starting point. */
  setIncoming(text) {
    this.#incoming = text
    this.#refresh()
  }

  /** What is wired into the node: whether a pose is, and whether the text itself comes from elsewhere. */
  setConnections({ pose, text }) {
    this.hasInput = pose
    this.locked = text ? said('notice.wired') : ''
    if (!pose) this.#incoming = ''
    this.#refresh()
  }

  selectJoint(joint) {
    this.joint = joint
    this.#changed(joint === null ? said('joint.none') : jointMessage(this.pose, joint))
  }

  stepJoint(step) {
    const count = JOINT_NAMES.length
    this.selectJoint(this.joint === null ? (step > 0 ? 0 : count - 1) : (this.joint + step + count) % count)
  }

  selectTool(tool) {
    this.tool = tool
    this.#changed(said(`tool.${tool}`))
  }

  nextTool() {
    this.selectTool(TOOLS[(TOOLS.indexOf(this.tool) + 1) % TOOLS.length])
  }

  selectFrame(frame) {
    this.#draft = null
    this.frame = Math.min(Math.max(frame, 0), this.#frames.length - 1)
    this.#changed(said('frame', { number: this.frame + 1, count: this.#frames.length }))
  }

  /** Shows a person that is not stored yet: a drag on its way. */
  preview(person, message = this.#joint()) {
    this.#draft = person
    this.#changed(message)
  }

  cancelPreview() {
    this.#draft = null
    this.#changed()
  }

  /** Stores `person` in place of the one being edited. */
  commit(person, message = '') {
    if (!this.canEdit) return
    const frame = { people: this.#frames[this.frame].people.with(this.chosen, person), chosen: this.chosen }
    this.#storeFrames(this.#frames.with(this.frame, frame), this.frame, message)
  }

  commitPreview(message = this.#joint()) {
    if (this.#draft) this.commit(this.#draft, message)
  }

  /** Makes another person of the frame the one who is edited, and CFLD's. */
  choosePerson(chosen) {
    const { people, chosen: before } = this.#frames[this.frame]
    if (!this.canEdit || chosen === before || !people[chosen]) return
    this.#storePeople(people, chosen, said('person.chosen', { number: chosen + 1, count: people.length }))
  }

  stepPerson(step) {
    const { length } = this.people
    this.choosePerson((this.chosen + step + length) % length)
  }

  /** A standing person where there is most room. */
  addPerson() {
    if (!this.canEdit) return
    const { people } = this.#frames[this.frame]
    const added = newPerson(geometry.beside(standing(this.canvas), people.map(({ pose }) => pose), this.canvas))
    this.#storePeople([...people, added], people.length, said('person.added', { number: people.length + 1 }))
  }

  removePerson() {
    const { people, chosen } = this.#frames[this.frame]
    if (!this.canEdit || people.length === 1) return
    const left = people.toSpliced(chosen, 1)
    this.#storePeople(left, Math.min(chosen, left.length - 1), said('person.deleted', { count: left.length }))
  }

  addFrame(frame = this.#frames[this.frame]) {
    if (!this.canEdit) return
    const frames = this.#frames.toSpliced(this.frame + 1, 0, frame)
    this.#storeFrames(frames, this.frame + 1, said('frame.added', { number: this.frame + 2, count: frames.length }))
  }

  addStandingFrame() {
    this.addFrame(alone(standing(this.canvas)))
  }

  removeFrame() {
    if (!this.canEdit || this.#frames.length === 1) return
    const frames = this.#frames.toSpliced(this.frame, 1)
    this.#storeFrames(frames, Math.min(this.frame, frames.length - 1), said('frame.deleted', { count: frames.length }))
  }

  /**
   * Takes over frames, of a `PoseReader`: as new ones after the one being edited, or in its place. One person alone
   * replaces the one being edited then, and several frames replace all.
   */
  take(read, { asNewFrame = false } = {}) {
    if (this.locked) return
    const frames = read.map((frame) => fitFrame(frame, frame, this.canvas))
    if (asNewFrame && !this.error) {
      return this.#storeFrames(this.#frames.toSpliced(this.frame + 1, 0, ...frames), this.frame + 1, takenMessage(frames))
    }
    if (frames.length > 1 || this.error) return this.#storeFrames(frames, 0, takenMessage(frames))
    const [frame] = frames
    if (frame.people.length === 1) return this.commit(frame.people[0], takenMessage(frames))
    this.#storeFrames(this.#frames.with(this.frame, frame), this.frame, takenMessage(frames))
  }

  /**
   * Takes over the people found in the picture to trace, where they are in it: the canvas, over which the picture is
   * spread, gets the picture's aspect where it has another.
   */
  takeFromPicture(found) {
    if (this.locked) return
    const canvas = sameAspect(found, this.canvas) ? this.canvas : { width: found.width, height: found.height }
    const before = this.error ? [found] : this.#frames.map((frame) => fitFrame(frame, this.canvas, canvas))
    const place = this.error ? 0 : this.frame
    const taken = encodeFrames(before.with(place, fitFrame(found, found, canvas)), canvas)
    const message = said('detect.found', { count: found.people.length })
    this.#show(record(this.#history, { text: taken, canvas }), message)
  }

  /** Forgets the stored poses; the figure shown is again a starting point. */
  clear() {
    if (!this.locked) this.#store('', said('cleared'))
  }

  undo() {
    if (this.canUndo && !this.locked) this.#show(undo(this.#history), said('undone'))
  }

  redo() {
    if (this.canRedo && !this.locked) this.#show(redo(this.#history), said('redone'))
  }

  /** All frames as OpenPose JSON, a starting point too. */
  encode() {
    return this.error || this.isReading ? this.text : encodeFrames(this.#frames, this.canvas)
  }

  #joint() {
    return this.joint === null ? '' : jointMessage(this.pose, this.joint)
  }

  #storePeople(people, chosen, message) {
    this.#storeFrames(this.#frames.with(this.frame, { people, chosen }), this.frame, message)
  }

  #storeFrames(frames, frame, message) {
    this.frame = frame
    this.#store(encodeFrames(frames, this.canvas), message)
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
    this.isReading = false
    this.#frames = [alone(JOINT_NAMES.map(() => null))]
    if (!this.locked) this.#frames = this.#source ? this.#read(this.#source) : [alone(standing(this.canvas))]
    this.frame = Math.min(this.frame, this.#frames.length - 1)
  }

  /** The text that is shown: what is stored, else what comes in. */
  get #source() {
    return this.isStored ? this.text : this.#incoming
  }

  /** The frames in a text on this canvas; nobody until the server has read it, and where it cannot be read. */
  #read(text) {
    const { frames, error } = this.#reader.known(text) ?? {}
    if (frames) return frames.map((frame) => fitFrame(frame, frame, this.canvas))
    this.error = error ?? ''
    if (!error) this.#ask(text)
    return this.#frames
  }

  async #ask(text) {
    this.isReading = true
    const failure = await this.#reader.read(text).then(() => null, (error) => error)
    if (this.locked || this.#source !== text) return
    if (this.#reader.known(text)) return this.#refresh()
    this.isReading = false
    this.error = failure.message
    this.#changed()
  }
}

const sameAspect = (one, other) => Math.abs((one.width * other.height) / (one.height * other.width) - 1) < SAME_ASPECT

const standing = (canvas) => geometry.fitPose(STANDING.pose, STANDING, canvas)
