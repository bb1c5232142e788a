/** Mouse, pen and touch on the stage, turned into changes of the session and the camera. */
import {
  boneAt, boundsOf, centreOf, estimateJoint, jointAt, moveJoint, moveLimb, rotatePose, scalePose, swingLimb,
  translatePose
} from './geometry.js'
import { figureBox, figurePartAt, toCanvas } from './viewport.js'

const REACH = { mouse: 11, pen: 14, touch: 24 }
const WHEEL_STEP = 1.0015

/**
 * camera: {viewport, pan(offset), zoom(factor, point), isSpaceHeld}; hover(joint) marks a joint; takesWheel() says
 * whether the wheel belongs to the editor or, by passWheel(event), to the graph.
 */
export function listenToPointer(stage, { session, camera, hover, takesWheel, passWheel }) {
  let drag = null

  const place = (event) => {
    // The stage may be drawn larger or smaller than laid out: both renderers scale the nodes with the graph.
    const box = stage.getBoundingClientRect()
    const scale = stage.clientWidth / box.width
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale]
  }
  const reach = (event) => REACH[event.pointerType] ?? REACH.mouse

  stage.addEventListener('pointerdown', (event) => {
    stage.focus({ preventScroll: true })
    if (drag || event.button > 1) return
    const at = place(event)
    const isPan = event.button === 1 || camera.isSpaceHeld
    drag = (!isPan && session.canEdit && beginEdit(session, camera.viewport, at, reach(event), event.shiftKey)) || {}
    drag.last = at
    stage.setPointerCapture(event.pointerId)
  })

  stage.addEventListener('pointermove', (event) => {
    const at = place(event)
    if (!drag) return hover(session.tool === 'joints' ? jointUnder(session, camera.viewport, at, reach(event)) : null)
    if (!drag.hasMoved && Math.hypot(at[0] - drag.last[0], at[1] - drag.last[1]) < 2) return
    drag.hasMoved = true
    if (drag.edit) session.preview(drag.edit(toCanvas(camera.viewport, at)))
    else camera.pan([at[0] - drag.last[0], at[1] - drag.last[1]])
    drag.last = at
  })

  stage.addEventListener('pointerup', () => {
    if (drag?.hasMoved) session.commitPreview()
    else if (drag && !drag.edit && session.tool === 'joints') session.selectJoint(null)
    drag = null
  })

  stage.addEventListener('pointercancel', () => {
    session.cancelPreview()
    drag = null
  })

  stage.addEventListener('pointerleave', () => hover(null))

  stage.addEventListener('contextmenu', (event) => {
    const joint = jointUnder(session, camera.viewport, place(event), reach(event))
    if (joint === null || !session.canEdit) return
    event.preventDefault()
    event.stopPropagation()
    session.toggle(joint)
  })

  stage.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault()
      event.stopPropagation()
      if (takesWheel()) camera.zoom(WHEEL_STEP ** -event.deltaY, place(event))
      else passWheel(event)
    },
    { passive: false }
  )
}

/** What a press at a stage point starts: {edit: (canvas point) => pose}, or null where it hits nothing. */
function beginEdit(session, viewport, at, reach, withLimb) {
  const start = toCanvas(viewport, at)
  return session.tool === 'figure'
    ? beginFigureEdit(session.pose, viewport, at, start, reach)
    : beginJointEdit(session, viewport, at, start, reach, withLimb)
}

function beginJointEdit(session, viewport, at, start, reach, withLimb) {
  const { pose } = session
  const joint = jointUnder(session, viewport, at, reach)
  if (joint !== null) {
    session.selectJoint(joint)
    if (withLimb && pose[joint]) return { edit: (point) => moveLimb(pose, joint, difference(point, start)) }
    // Held where it was gripped, so that it does not jump under the pointer.
    const grip = difference(estimateJoint(pose, joint, session.canvas), start)
    return { edit: ([x, y]) => moveJoint(pose, joint, [x + grip[0], y + grip[1]]) }
  }
  const bone = boneAt(pose, start, reach / viewport.scale)
  if (bone === null) return null
  session.selectJoint(bone)
  if (withLimb) return { edit: (point) => moveLimb(pose, bone, difference(point, start)) }
  return { edit: (point) => swingLimb(pose, bone, start, point) }
}

function beginFigureEdit(pose, viewport, at, start, reach) {
  const box = figureBox(pose, viewport)
  const hit = box && figurePartAt(box, at, reach)
  if (!hit) return null
  if (hit.part === 'inside') return { edit: (point) => translatePose(pose, difference(point, start)) }
  const centre = centreOf(boundsOf(pose))
  if (hit.part === 'turn') {
    const angle = (point) => Math.atan2(point[1] - centre[1], point[0] - centre[0])
    return { edit: (point) => rotatePose(pose, angle(point) - angle(start), centre) }
  }
  const anchor = toCanvas(viewport, box.corners[(hit.corner + 2) % 4])
  const size = (point) => Math.hypot(point[0] - anchor[0], point[1] - anchor[1])
  return { edit: (point) => scalePose(pose, size(point) / size(start), anchor) }
}

/** The joint under a stage point, hidden ones (at the rings that stand for them) after the visible ones. */
function jointUnder(session, viewport, at, reach) {
  const { pose, canvas } = session
  const visible = jointAt(pose, toCanvas(viewport, at), reach / viewport.scale)
  if (visible !== null) return visible
  const rings = pose.map((point, joint) => (point ? null : estimateJoint(pose, joint, canvas)))
  return jointAt(rings, toCanvas(viewport, at), reach / viewport.scale)
}

function difference([x, y], [fromX, fromY]) {
  return [x - fromX, y - fromY]
}
