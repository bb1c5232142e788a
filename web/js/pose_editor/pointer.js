/** Mouse, pen and touch on the stage, turned into changes of the session and the camera. */
import * as edits from './edits.js'
import {
  bendLimb, boneAt, boundsOf, centreOf, estimateJoint, jointAt, moveLimb, scaling, swingLimb, translation
} from './geometry.js'
import { turnMessage } from './messages.js'
import { movePerson, rotatePerson, withPose } from './people.js'
import { figureBox, figurePartAt, toCanvas } from './viewport.js'

const REACH = { mouse: 12, pen: 14, touch: 24 }
const WHEEL_STEP = 1.0015
/** Of a turn in space, for every pixel the handle is dragged. */
const DEGREES = 1

/**
 * camera: {viewport, size(), pan(offset), zoom(factor, point), isSpaceHeld}; hover({joint, person}) marks what is under
 * the pointer; read(message) shows what a drag says of itself.
 */
export function listenToPointer(stage, { session, camera, hover, read }) {
  let drag = null
  const fingers = new Map() // by pointer, where on the stage they are; two of them zoom and pan

  // The stage may be drawn larger or smaller than laid out: both renderers scale the nodes with the graph.
  const layout = () => {
    const box = stage.getBoundingClientRect()
    return { box, scale: stage.clientWidth / box.width }
  }
  const place = (event) => {
    const { box, scale } = layout()
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale]
  }
  const reach = (event) => (REACH[event.pointerType] ?? REACH.mouse) * layout().scale
  const endDrag = () => {
    drag = null
    read('')
  }

  stage.addEventListener('pointerdown', (event) => {
    stage.focus({ preventScroll: true })
    if (event.button > 1) return
    const at = place(event)
    if (event.pointerType === 'touch') fingers.set(event.pointerId, at)
    stage.setPointerCapture(event.pointerId)
    if (fingers.size > 1) {
      session.cancelPreview()
      return endDrag()
    }
    if (drag) return
    const isPan = event.button === 1 || camera.isSpaceHeld
    const begun = !isPan && session.canEdit && beginEdit(session, camera, at, reach(event), event)
    drag = { ...begun, pointer: event.pointerId, start: at, last: at }
  })

  stage.addEventListener('pointermove', (event) => {
    const at = place(event)
    if (fingers.size > 1 && fingers.has(event.pointerId)) return moveFinger(event.pointerId, at)
    if (!drag && !fingers.size) return hover(under(session, camera.viewport, at, reach(event)))
    if (event.pointerId !== drag?.pointer) return
    if (!drag.hasMoved && Math.hypot(at[0] - drag.last[0], at[1] - drag.last[1]) < 2) return
    drag.hasMoved = true
    if (drag.turn) showTurn(drag, at)
    else if (drag.edit) session.preview(drag.edit(toCanvas(camera.viewport, at)))
    else camera.pan(difference(at, drag.last))
    drag.last = at
  })

  stage.addEventListener('pointerup', (event) => {
    fingers.delete(event.pointerId)
    if (event.pointerId !== drag?.pointer) return
    const { hasMoved, edit, turn, person, message } = drag
    endDrag()
    if (hasMoved) session.commitPreview(message)
    else if (person !== undefined) session.choosePerson(person)
    else if (!edit && !turn && session.tool !== 'figure') session.selectJoint(null)
  })

  stage.addEventListener('pointercancel', (event) => {
    fingers.delete(event.pointerId)
    if (event.pointerId !== drag?.pointer) return
    session.cancelPreview()
    endDrag()
  })

  stage.addEventListener('pointerleave', () => hover({ joint: null, person: null }))

  stage.addEventListener('contextmenu', (event) => {
    const joint = jointUnder(session, camera.viewport, place(event), reach(event))
    if (joint === null || !session.canEdit) return
    event.preventDefault()
    event.stopPropagation()
    edits.toggle(session, joint)
  })

  stage.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault()
      event.stopPropagation()
      camera.zoom(WHEEL_STEP ** -event.deltaY, place(event))
    },
    { passive: false }
  )

  /** The stage follows two fingers: what was between them stays there. */
  function moveFinger(pointer, at) {
    const before = spread(fingers)
    fingers.set(pointer, at)
    const after = spread(fingers)
    camera.pan(difference(after.middle, before.middle))
    camera.zoom(after.distance / before.distance, after.middle)
  }

  /** Sideways turns about the vertical, so that what is nearest follows the pointer; up and down raises the viewer. */
  function showTurn(drag, at) {
    const [dx, dy] = difference(at, drag.start).map((offset) => offset * DEGREES)
    const isTilt = Math.abs(dy) > Math.abs(dx)
    const [angle, tilt] = isTilt ? [0, Math.min(Math.max(dy, -90), 90)] : [((Math.round(-dx) % 360) + 360) % 360, 0]
    drag.message = turnMessage(angle, tilt)
    session.preview(edits.turned(session, drag.turn, angle, Math.round(tilt)), drag.message)
    read(drag.message)
  }
}

/**
 * What a press at a stage point starts: {edit: (canvas point) => person} or {turn: the person to turn in space}; or
 * {person}, the number of somebody else who is there to be chosen; or null where it hits nothing. Shift takes the limb
 * along, Alt moves a joint alone, whatever becomes of its bones' lengths.
 */
function beginEdit(session, camera, at, reach, { shiftKey, altKey }) {
  const { viewport } = camera
  const begun =
    session.tool === 'figure'
      ? beginFigureEdit(session, camera, at, reach)
      : beginJointEdit(session, viewport, at, reach, shiftKey || session.tool === 'limbs', altKey)
  if (begun) return begun
  const person = personUnder(session, viewport, at, reach)
  return person === null ? null : { person }
}

function beginJointEdit(session, viewport, at, reach, withLimb, alone) {
  const { pose, person } = session
  const start = toCanvas(viewport, at)
  const joint = jointUnder(session, viewport, at, reach)
  const edit = (change) => ({ edit: (point) => withPose(person, change(point)) })
  if (joint !== null) {
    session.selectJoint(joint)
    if (withLimb && pose[joint]) return edit((point) => moveLimb(pose, joint, difference(point, start)))
    // Held where it was gripped, so that it does not jump under the pointer.
    const grip = difference(estimateJoint(pose, joint, session.canvas), start)
    const move = alone ? (point) => pose.with(joint, point) : (point) => bendLimb(pose, joint, point)
    return edit(([x, y]) => move([x + grip[0], y + grip[1]]))
  }
  const bone = boneAt(pose, start, reach / viewport.scale)
  if (bone === null) return null
  session.selectJoint(bone)
  return edit((point) =>
    withLimb ? moveLimb(pose, bone, difference(point, start)) : swingLimb(pose, bone, start, point)
  )
}

function beginFigureEdit(session, { viewport, size }, at, reach) {
  const { pose, person } = session
  const start = toCanvas(viewport, at)
  const box = figureBox(pose, viewport, size())
  const hit = box && figurePartAt(box, at, reach, session.canTurn)
  if (!hit) return null
  if (hit.part === 'space') return { turn: person }
  if (hit.part === 'inside') {
    // Of two figures one over the other, a press on the other's bones means the other.
    const other = personUnder(session, viewport, at, reach)
    const isOwn = jointAt(pose, start, reach / viewport.scale) !== null || boneAt(pose, start, reach / viewport.scale) !== null
    return {
      edit: (point) => movePerson(person, translation(difference(point, start))),
      ...(other !== null && !isOwn && { person: other })
    }
  }
  const centre = centreOf(boundsOf(pose))
  if (hit.part === 'turn') {
    const angle = (point) => Math.atan2(point[1] - centre[1], point[0] - centre[0])
    return { edit: (point) => rotatePerson(person, angle(point) - angle(start), centre) }
  }
  const anchor = toCanvas(viewport, box.corners[(hit.corner + 2) % 4])
  const reachOf = (point) => Math.hypot(point[0] - anchor[0], point[1] - anchor[1])
  return { edit: (point) => movePerson(person, scaling(reachOf(point) / reachOf(start), anchor)) }
}

/** What the pointer is over: {joint, person}, a joint of the person being edited or the number of somebody else. */
function under(session, viewport, at, reach) {
  const joint = session.tool === 'figure' ? null : jointUnder(session, viewport, at, reach)
  return { joint, person: joint === null ? personUnder(session, viewport, at, reach) : null }
}

/** The joint under a stage point, hidden ones (at the rings that stand for them) after the visible ones. */
function jointUnder(session, viewport, at, reach) {
  const { pose, canvas } = session
  const visible = jointAt(pose, toCanvas(viewport, at), reach / viewport.scale)
  if (visible !== null) return visible
  const rings = pose.map((point, joint) => (point ? null : estimateJoint(pose, joint, canvas)))
  return jointAt(rings, toCanvas(viewport, at), reach / viewport.scale)
}

/** The number of somebody else with a joint or bone under a stage point, or null. */
function personUnder({ people, chosen, canEdit }, viewport, at, reach) {
  const point = toCanvas(viewport, at)
  const isHit = ({ pose }) => [jointAt, boneAt].some((find) => find(pose, point, reach / viewport.scale) !== null)
  const hit = canEdit ? people.findIndex((person, index) => index !== chosen && isHit(person)) : -1
  return hit < 0 ? null : hit
}

/** Of two fingers: the point between them, and how far they are apart. */
function spread(fingers) {
  const [one, other] = [...fingers.values()]
  return {
    middle: [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2],
    distance: Math.max(Math.hypot(...difference(one, other)), 1)
  }
}

const difference = ([x, y], [fromX, fromY]) => [x - fromX, y - fromY]
