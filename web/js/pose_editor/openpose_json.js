/**
 * The form in which key points are kept here, and the only one that this page reads. The server turns all others into it
 * (`pose_reader.js`); cfld_modules/poses/canonical.py explains it.
 */
import { boundsOf } from './geometry.js'
import { CHOSEN_KEY, encodePerson, readPerson } from './people.js'

/** Within so few pixels of the corner, coordinates are taken for shares of the canvas, which is the server's business. */
const SHARES_REACH = 4
const LARGEST_SIDE = 1e6

/**
 * A canonical text -> frames {width, height, people, chosen, pose}: everybody, which of them is CFLD's (the one marked as
 * chosen, else the largest), and that one's pose. null for any other text.
 */
export function readCanonical(text) {
  try {
    return framesOf(JSON.parse(text))
  } catch {
    return null // no JSON
  }
}

/** The same of the value. */
export function framesOf(value) {
  if (!Array.isArray(value) || !value.length) return null
  const frames = value.map(frameOf)
  return frames.every(Boolean) ? frames : null
}

/** Frames {people, chosen} on one canvas -> the canonical text. One of several people is marked as chosen. */
export function encodeFrames(frames, { width, height }) {
  const written = frames.map(({ people, chosen }) => ({
    canvas_width: width,
    canvas_height: height,
    people: people.map((person, index) => ({
      ...encodePerson(person), ...(people.length > 1 && index === chosen && { [CHOSEN_KEY]: true })
    }))
  }))
  return JSON.stringify(written)
}

function frameOf(frame) {
  const { canvas_width: width, canvas_height: height, people: written } = frame ?? {}
  if (![width, height].every(isSide) || !Array.isArray(written) || !written.length) return null
  const people = written.map(readPerson)
  if (!people.every((person) => person && isInPixels(person))) return null
  const chosen = chosenOf(people, written)
  return { width, height, people, chosen, pose: people[chosen].pose }
}

const isSide = (size) => Number.isInteger(size) && size >= 1 && size <= LARGEST_SIDE

function isInPixels({ pose }) {
  const points = pose.filter(Boolean)
  return !points.length || points.flat().some((coordinate) => Math.abs(coordinate) > SHARES_REACH)
}

/** The number of the person marked as chosen, else of the largest. */
function chosenOf(people, written) {
  const marked = written.findIndex((entry, index) => entry[CHOSEN_KEY] === true && people[index].pose.some(Boolean))
  if (marked >= 0) return marked
  const areas = people.map(({ pose }) => {
    const box = boundsOf(pose)
    return box ? Math.max(1, box.right - box.left) * Math.max(1, box.bottom - box.top) : 0
  })
  return areas.indexOf(Math.max(...areas))
}
