/** What is said of a change, in the status line or beside the pointer. */
import { jointName, said } from './texts.js'

/** Where a joint of a pose is. */
export function jointMessage(pose, joint) {
  const point = pose[joint]
  const name = jointName(joint)
  const title = name[0].toUpperCase() + name.slice(1)
  return point
    ? said('joint.at', { joint: title, x: Math.round(point[0]), y: Math.round(point[1]) })
    : said('joint.hidden', { joint: title })
}

/** A turn in space; who faces the viewer faces the left edge of the picture after 90 degrees. */
export function turnMessage(angle, tilt) {
  if (tilt) return said(tilt > 0 ? 'figure.above' : 'figure.below', { tilt: Math.abs(Math.round(tilt)) })
  const right = 360 - Math.round(angle)
  return right < 180 ? said('figure.turnedRight', { angle: right }) : said('figure.turnedLeft', { angle: Math.round(angle) })
}

/** Frames that came from elsewhere. */
export const takenMessage = ({ length }) => (length === 1 ? said('taken') : said('taken.frames', { count: length }))
