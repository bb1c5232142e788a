/** Key points in any form -> frames: those in the page's own form are read here, all others by the server. */
import { framesOf, readCanonical } from './openpose_json.js'
import { said } from './texts.js'

const ROUTE = '/cfld/read_pose'
/** As nodes/pose_editor.py has it. */
const MOST_BYTES = 32 * 2 ** 20
/** Of the server's answers; the page's undo goes back and forth among a few texts. */
const MOST_REMEMBERED = 20

/** Key points that cannot be read; the message, the server's, is for the user. */
export class PoseError extends Error {}

export class PoseReader {
  #api
  /** By canvas and text: promises of {frames} or {error}, which is their `answer` once it is there. */
  #questions = new Map()

  /** api is the page's own. */
  constructor(api) {
    this.#api = api
  }

  /** What a stored text is known to be: {frames}, {error} in words, or undefined where the server has to be asked. */
  known(text) {
    const frames = readCanonical(text)
    return frames ? { frames } : this.#questions.get(keyOf(text, null))?.answer
  }

  /**
   * The frames, as `readCanonical` gives them, in a text or a file. canvas serves frames without a size of their own.
   * Raises PoseError, also where nobody is in a frame, or most of the person outside the canvas; Error where the server
   * does not answer.
   */
  async read(content, canvas = null) {
    const text = typeof content === 'string' ? content : await content.text()
    const frames = readCanonical(text)
    if (frames?.every(isInPicture)) return frames
    const answer = await this.#answer(keyOf(text, canvas), content, canvas)
    if (answer.error) throw new PoseError(answer.error)
    return answer.frames
  }

  #answer(key, content, canvas) {
    if (!this.#questions.has(key)) {
      if (this.#questions.size >= MOST_REMEMBERED) this.#questions.delete(this.#questions.keys().next().value)
      const question = this.#ask(content, canvas)
      question.then((answer) => { question.answer = answer }, () => this.#questions.delete(key))
      this.#questions.set(key, question)
    }
    return this.#questions.get(key)
  }

  async #ask(content, canvas) {
    const size = typeof content === 'string' ? new Blob([content]).size : content.size
    if (size > MOST_BYTES) return { error: said('read.tooLarge', { size: megabytes(size), most: megabytes(MOST_BYTES) }) }
    const query = canvas ? `?${new URLSearchParams({ width: canvas.width, height: canvas.height })}` : ''
    const answer = await this.#api.fetchApi(ROUTE + query, { method: 'POST', body: content }).catch((error) => {
      throw new Error(said('read.unreachable', { error: error.message }))
    })
    if (answer.status === 422) return answer.json()
    if (!answer.ok) throw new Error(said('read.unreachable', { error: answer.status }))
    const { frames } = await answer.json()
    return { frames: framesOf(frames) }
  }
}

const keyOf = (text, canvas) => `${canvas?.width} ${canvas?.height} ${text}`

/** Whether there is nothing about a frame for the server to judge: at least half of the person is on the canvas. */
function isInPicture({ width, height, pose }) {
  const points = pose.filter(Boolean)
  const inside = points.filter(([x, y]) => x >= 0 && y >= 0 && x <= width && y <= height)
  return points.length > 0 && 2 * inside.length >= points.length
}

const megabytes = (size) => Math.ceil(size / 2 ** 20)
