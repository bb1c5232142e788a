/** Keys, turned into changes of the session and the camera. */
import * as edits from './edits.js'
import { ZOOM_STEP } from './viewport.js'

/** For the help sheet: what to press, and under which name the texts say what it does. */
export const SHORTCUTS = [
  ['[ ]', 'joint'], ['← ↑ → ↓', 'arrows'], ['Delete', 'hide'], ['J L', 'swing'], ['Q E', 'turn'],
  ['A D', 'turnInSpace'], ['R F', 'tilt'], ['W S', 'scale'], ['M', 'mirror'], [', .', 'person'],
  ['T', 'tool'], ['Ctrl+Z', 'undo'], ['Ctrl+C Ctrl+V', 'copy'], ['Page Up/Down', 'frame'], ['+ − 0', 'zoom'],
  ['Enter', 'large'], ['?', 'list']
]

const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
/** Keys that do the same as another. */
const ALIASES = { p: '[', n: ']', backspace: 'delete', '<': ',', '>': '.', '=': '+' }
const PAN_STEP = 20

/** Shortcuts of the page that go on working while the editor has the focus: run and save. */
const belongsToPage = (event) => hasCommandKey(event) && ['enter', 's'].includes(event.key.toLowerCase())

/**
 * Listens on `root` for all keys inside the editor and lets none out to the graph, where Delete would delete the node.
 * ui: {stage, openSheet(name), enlarge(), leave(), copy(), paste()}; copy and paste return false, as does any action
 * whose key's default action has to go on.
 */
export function listenToKeys(root, { session, camera, ui }) {
  root.addEventListener('keydown', (event) => {
    if (belongsToPage(event)) return
    event.stopPropagation()
    if (event.target.matches('textarea, [type=text], [type=search]') && event.key !== 'Escape') return
    const action =
      commandAction(event, session, ui) ?? (event.target === ui.stage ? stageAction(event, session, camera, ui) : null)
    if (action && action() !== false) event.preventDefault()
  })

  root.addEventListener('keyup', (event) => {
    if (event.key === ' ') camera.isSpaceHeld = false
    event.stopPropagation()
  })
}

/** Escape, and Ctrl or Cmd with a key: wherever the focus is in the editor. */
function commandAction(event, session, ui) {
  if (event.key === 'Escape') return () => ui.leave()
  if (!hasCommandKey(event) || event.altKey) return null
  const key = event.key.toLowerCase()
  if (key === 'z') return () => (event.shiftKey ? session.redo() : session.undo())
  if (key === 'y') return () => session.redo()
  if (key === 'd') return () => session.addFrame()
  if (key === 'delete' || key === 'backspace') return () => session.removeFrame()
  if (key === 'c') return () => ui.copy()
  if (key === 'v') return () => ui.paste()
  return null
}

function stageAction(event, session, camera, ui) {
  const step = event.shiftKey ? 10 : 1
  const direction = DIRECTIONS[event.key]
  if (direction && camera.isSpaceHeld) return () => camera.pan(direction.map((way) => -way * PAN_STEP))
  if (direction) {
    const scope = hasCommandKey(event) ? 'figure' : event.altKey ? 'limb' : 'joint'
    return () => edits.nudge(session, direction.map((way) => way * step), session.tool === 'figure' ? 'figure' : scope)
  }
  if (hasCommandKey(event) || event.altKey) return null
  const actions = {
    '[': () => session.stepJoint(-1),
    ']': () => session.stepJoint(1),
    delete: () => edits.hide(session, session.joint),
    h: () => edits.toggle(session, session.joint),
    j: () => edits.swing(session, -step),
    l: () => edits.swing(session, step),
    q: () => edits.rotate(session, -step),
    e: () => edits.rotate(session, step),
    a: () => edits.turn(session, step, 0),
    d: () => edits.turn(session, 360 - step, 0),
    r: () => edits.turn(session, 0, step),
    f: () => edits.turn(session, 0, -step),
    w: () => edits.scale(session, 1 + step / 100),
    s: () => edits.scale(session, 1 / (1 + step / 100)),
    m: () => edits.mirror(session),
    t: () => session.nextTool(),
    ',': () => session.stepPerson(-1),
    '.': () => session.stepPerson(1),
    pageup: () => session.selectFrame(session.frame - 1),
    pagedown: () => session.selectFrame(session.frame + 1),
    '+': () => camera.zoom(ZOOM_STEP),
    '-': () => camera.zoom(1 / ZOOM_STEP),
    0: () => camera.reset(),
    enter: () => ui.enlarge(),
    '?': () => ui.openSheet('help'),
    ' ': () => {
      camera.isSpaceHeld = true
    }
  }
  const key = event.key.toLowerCase()
  return actions[ALIASES[key] ?? key] ?? null
}

const hasCommandKey = (event) => event.ctrlKey || event.metaKey
