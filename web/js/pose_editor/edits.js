/** What keys and buttons change of the person being edited: each is one step of a `PoseSession`. */
import * as geometry from './geometry.js'
import { turnMessage } from './messages.js'
import { mirrorPerson, movePerson, rotatePerson, withPose } from './people.js'
import { said } from './texts.js'
import { turnPerson } from './turning.js'

/** Moves the selected joint, its limb, or the figure by an offset in canvas pixels. scope: 'joint', 'limb' or 'figure'. */
export function nudge(session, offset, scope) {
  const { person, pose, joint } = session
  if (scope === 'figure') return session.commit(movePerson(person, geometry.translation(offset)), said('figure.moved'))
  const point = joint === null ? null : pose[joint]
  if (!point) return
  const moved = pose.with(joint, geometry.translation(offset)(point))
  commitPose(session, scope === 'limb' ? geometry.moveLimb(pose, joint, offset) : moved)
}

/** Swings the limb that begins with the bone to the selected joint. */
export function swing(session, degrees) {
  const { pose, joint } = session
  if (joint === null || !geometry.canSwing(pose, joint)) return
  commitPose(session, geometry.swingBy(pose, joint, radians(degrees)))
}

export function rotate(session, degrees) {
  const centre = centreOf(session)
  if (centre) session.commit(rotatePerson(session.person, radians(degrees), centre), said('figure.rotated'))
}

export function scale(session, factor) {
  const centre = centreOf(session)
  if (centre) session.commit(movePerson(session.person, geometry.scaling(factor, centre)), said('figure.scaled'))
}

export function mirror(session) {
  session.commit(mirrorPerson(session.person), said('figure.mirrored'))
}

/** Turns the person in space, and raises the viewer, by degrees as the node Turn Pose has them. */
export function turn(session, angle, tilt) {
  if (session.canTurn) session.commit(turned(session, session.person, angle, tilt), turnMessage(angle, tilt))
}

/** A person of the session, turned so. */
export const turned = ({ canvas, lifter }, person, angle, tilt) => turnPerson(person, canvas, lifter, angle, tilt)

export function hide(session, joint) {
  if (joint === null || !session.pose[joint]) return
  session.commit(withPose(session.person, session.pose.with(joint, null)))
  session.selectJoint(joint)
}

/** Hides a joint, or shows it where it would be. */
export function toggle(session, joint) {
  if (joint === null) return
  if (session.pose[joint]) return hide(session, joint)
  const place = geometry.estimateJoint(session.pose, joint, session.canvas)
  session.commit(withPose(session.person, session.pose.with(joint, place)))
  session.selectJoint(joint)
}

/** Stores the pose, and says where the selected joint is. */
function commitPose(session, pose) {
  session.commit(withPose(session.person, pose))
  session.selectJoint(session.joint)
}

function centreOf({ pose }) {
  const box = geometry.boundsOf(pose)
  return box && geometry.centreOf(box)
}

const radians = (degrees) => (degrees * Math.PI) / 180
