/** The editor as an element for the page: toolbar, stage, people, frames, the sheets over them and the large window. */
import { createClipboard } from './clipboard.js'
import { element } from './dom.js'
import { listenToKeys } from './keyboard.js'
import { createLifter, readSafetensors } from './lifter.js'
import { createFramesRow, createJointList, createPeopleRow } from './lists.js'
import { framesOf } from './openpose_json.js'
import { PoseSession } from './session.js'
import { SHEETS } from './sheets.js'
import { createStage } from './stage.js'
import { said } from './texts.js'
import { createToolbar } from './toolbar.js'
import { Tracing } from './tracing.js'

/** Shared by all editors and loaded with this module, so that none is ever laid out without it. */
const STYLES = new CSSStyleSheet()
STYLES.replaceSync(await fetch(new URL('./style.css', import.meta.url)).then((answer) => answer.text()))

/** Milliseconds after which it is said that the server is still reading. */
const SLOW = 400

/** What puts people in space, for all editors; 340 kB that no drawing waits for. */
let lifter = null
const loadLifter = () =>
  (lifter ??= fetch(new URL('../../lifter/lifter.safetensors', import.meta.url))
    .then((answer) => answer.arrayBuffer())
    .then((bytes) => createLifter(readSafetensors(bytes))))

/**
 * An editor. write({text, canvas}) stores JSON text and canvas size; detectPose(file) finds the people in a
 * picture file: a frame of OpenPose JSON; reader is a `PoseReader`, library a `PoseLibrary`, and libraryChanged() follows
 * what is saved into it or deleted.
 *
 * Returns {element, session, tracing, dispose()}: what to show, the session to feed, the picture to trace.
 */
export function createPoseEditor({ write, detectPose, reader, library, libraryChanged }) {
  const host = element('div', { class: 'cfld-pose-editor', 'data-capture-wheel': 'true' })
  // The page's undo looks at the focused element and leaves text fields alone. What it sees is this element, whatever has
  // the focus in the shadow tree below. Older pages know text fields by `type`, newer ones by `isContentEditable`.
  host.type = 'textarea'
  Object.defineProperty(host, 'isContentEditable', { value: true })
  host.style.cssText = 'display: block; height: 100%'
  const shadow = host.attachShadow({ mode: 'open' })
  const dialog = element('dialog', { 'aria-label': said('editor') })

  const session = new PoseSession({
    reader,
    write,
    changed(message) {
      if (message) report('')
      refresh(message)
    }
  })
  const tracing = new Tracing(refresh)
  const stage = createStage({ session, tracing })
  const focusStage = () => stage.element.focus({ preventScroll: true })
  const clipboard = createClipboard({ onPaste: (text) => attempt(() => take(text)), restoreFocus: focusStage })

  const ui = {
    stage: stage.element,
    openSheet,
    detect,
    canDetect: () => tracing.image !== null && !isDetecting,
    enlarge,
    shrink: () => dialog.close(),
    /** Escape: closes what is open on top. */
    leave() {
      if (sheet) closeSheet()
      else if (dialog.open) dialog.close()
      else stage.element.blur()
    },
    // The keys' default action, which copies and pastes, has to go on: hence no preventDefault.
    copy() {
      clipboard.prepareCopy(session.encode())
      return false
    },
    paste() {
      clipboard.preparePaste()
      return false
    }
  }
  const toolbar = createToolbar(session, ui)
  const people = createPeopleRow(session)
  const frames = createFramesRow(session)
  const joints = createJointList(session)
  const message = element('span', { role: 'status', 'aria-live': 'polite' })
  const problem = element('p', { class: 'problem', role: 'alert', hidden: true })
  const hint = element('span', { id: 'hint' }, said('editor.hint'))
  const body = element('div', { class: 'body' }, stage.element, joints.element)
  const footer = element('footer', {}, message, hint)
  const root = element(
    'div', { class: 'editor' },
    toolbar.element, body, problem, people.element, frames.element, footer, clipboard.area
  )
  shadow.adoptedStyleSheets = [STYLES]
  shadow.append(root, dialog)

  let sheet = null
  let home = null // where the element is shown while it is not in the large window
  let awaitsDrawing = false
  let isDetecting = false
  let taking = Promise.resolve()

  /** Says what went wrong until something else is done; '' when it does not hold any more. */
  function report(mistake) {
    problem.textContent = mistake
    problem.hidden = !mistake
  }

  function refresh(news) {
    if (news) message.textContent = news
    hint.hidden = Boolean(message.textContent) && !dialog.open
    if (awaitsDrawing) return
    awaitsDrawing = true
    requestAnimationFrame(() => {
      awaitsDrawing = false
      toolbar.refresh(dialog.open)
      people.refresh()
      frames.refresh()
      joints.refresh()
      sheet?.refresh?.()
      stage.draw()
    })
  }

  /** Takes over the poses in a text or file, after those that came before it. Raises what `PoseReader` does. */
  function take(content, options) {
    const taken = taking.then(async () => {
      const slow = setTimeout(() => refresh(said('notice.reading')), SLOW)
      try {
        session.take(await reader.read(content, session.canvas), options)
      } finally {
        clearTimeout(slow)
      }
    })
    taking = taken.catch(() => {})
    return taken
  }

  async function attempt(action) {
    try {
      await action()
    } catch (error) {
      message.textContent = ''
      refresh()
      report(error.message)
    }
  }

  async function detect() {
    isDetecting = true
    report('')
    refresh(said('detect.busy'))
    await attempt(async () => {
      const [frame] = framesOf([await detectPose(await tracing.file())]) ?? []
      if (!frame) throw new Error(said('detect.nobody'))
      session.takeFromPicture(frame)
    })
    isDetecting = false
    refresh()
  }

  function openSheet(name) {
    const isSame = sheet?.dataset.sheet === name
    if (sheet) closeSheet()
    if (isSame) return
    report('')
    sheet = SHEETS[name]({
      session, tracing, clipboard, reader, library, libraryChanged, take, attempt, close: closeSheet, report,
      announce: refresh
    })
    sheet.dataset.sheet = name
    body.append(sheet)
    const first = sheet.querySelector('textarea, input:not([hidden], [type=range])') ?? sheet.querySelector('button')
    first.focus()
  }

  function closeSheet() {
    sheet.remove()
    sheet = null
    report('')
    focusStage()
  }

  function enlarge() {
    if (dialog.open) return
    // Out of the node, which the graph may scale, clip or hide, into the page itself.
    home = host.parentElement
    document.body.append(host)
    dialog.append(root)
    home.textContent = said('editor.elsewhere')
    dialog.showModal()
    stage.camera.reset()
    focusStage()
    refresh()
  }

  function returnToNode() {
    if (root.parentNode !== dialog) return
    shadow.append(root)
    home.replaceChildren(host)
    stage.camera.reset()
    refresh()
  }

  function takeDropped(event) {
    event.preventDefault()
    event.stopPropagation()
    const [file] = event.dataTransfer.files
    if (file?.type.startsWith('image/')) tracing.openFile(file)
    else if (file) attempt(() => take(file))
  }

  listenToKeys(shadow, { session, camera: stage.camera, ui })
  dialog.addEventListener('close', returnToNode)
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close())
  shadow.addEventListener('dragover', (event) => event.preventDefault())
  shadow.addEventListener('drop', takeDropped)
  for (const type of ['copy', 'cut', 'paste']) shadow.addEventListener(type, (event) => event.stopPropagation())
  refresh()
  loadLifter().then(
    (loaded) => {
      session.lifter = loaded
      refresh()
    },
    (error) => report(said('lifter.missing', { error: error.message }))
  )

  return {
    element: host,
    session,
    tracing,
    dispose() {
      dialog.close()
      returnToNode()
      host.remove()
      tracing.forgetFile()
    }
  }
}
