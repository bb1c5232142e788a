/** Puts the pose editor on the node CFLDPoseEditor. The whole state is the node's text widget `pose_json`. */
import { api } from '../../../scripts/api.js'
import { app } from '../../../scripts/app.js'
import { fadeWithNode, follow, isConnected } from './pose_editor/node_life.js'
import { PoseLibrary } from './pose_editor/pose_library.js'
import { PoseReader } from './pose_editor/pose_reader.js'
import { speak } from './pose_editor/texts.js'
import { upstreamPicture } from './pose_editor/tracing.js'
import { createPoseEditor } from './pose_editor/view.js'

const NODE = 'CFLDPoseEditor'
const EDITOR = '.cfld-pose-editor'
const SMALLEST_HEIGHT = 420
const INITIAL_SIZE = [410, 720]

/**
 * Containers of removed nodes by node id. When the page undoes, it makes all nodes anew, but Nodes 2.0 goes on showing
 * the element of the old node of the same id: so the new node's editor moves into it.
 */
const containers = new Map()
/** Shared, so that what the page's undo makes anew knows what the server answered. */
const reader = new PoseReader(api)
/** The editor of each node id. A node that moves into a subgraph is made anew there, before or after the old one is removed. */
const editors = new Map()
/** By node id, for the rest of the task in which the node was removed: {opened, workflow}, a traced picture and where. */
const orphans = new Map()

/**
 * The page zooms the graph by two fingers wherever over the nodes they are, before any element below has a say. Fingers
 * on an editor are the editor's.
 */
for (const type of ['touchstart', 'touchmove', 'touchend', 'touchcancel']) {
  const keep = (event) => {
    if (event.composedPath().some((target) => target.matches?.(EDITOR))) event.stopPropagation()
  }
  window.addEventListener(type, keep, { capture: true, passive: true })
}

app.registerExtension({
  name: 'CFLD.PoseEditor',
  init() {
    speak(app.extensionManager.setting.get('Comfy.Locale'))
  },
  nodeCreated(node) {
    if (node.comfyClass === NODE) attachEditor(node)
  }
})

function attachEditor(node) {
  const widget = (name) => node.widgets.find((candidate) => candidate.name === name)
  const text = widget('pose_json')
  const width = widget('width')
  const height = widget('height')
  const editor = createPoseEditor({
    write,
    detectPose,
    reader,
    library: new PoseLibrary(api),
    libraryChanged: () => app.refreshComboInNodes() // so that Load Pose lists it
  })

  // Shown by the editor instead: the first is read by the classic renderer, the second by Nodes 2.0.
  text.hidden = true
  text.options.hidden = true
  // What is drawn is what is sent, the starting point too; the workflow keeps only what the user made.
  text.serializeValue = () => editor.session.sent
  const container = document.createElement('div')
  container.style.cssText = `height: 100%; min-height: ${SMALLEST_HEIGHT}px`
  container.append(editor.element)
  const shown = node.addDOMWidget('pose_editor', 'CFLD_POSE_EDITOR', container, {
    serialize: false, // not part of the prompt
    hideOnZoom: false,
    hideInPanel: true, // which would take the only element out of the node, for good
    getMinHeight: () => SMALLEST_HEIGHT
  })
  shown.serialize = false // nor of the saved workflow
  fadeWithNode(node, editor.element)
  node.setSize(INITIAL_SIZE.map((size, axis) => Math.max(size, node.size[axis])))

  function write(stored) {
    text.value = stored.text
    width.value = stored.canvas.width
    height.value = stored.canvas.height
    node.graph?.setDirtyCanvas(true)
    recordForGraphUndo()
  }

  const canvasSize = () => ({ width: width.value, height: height.value })
  const start = () => editor.session.start(text.value, canvasSize())

  function readConnections() {
    if (!node.graph) return // taken out of it meanwhile, as by conversion to a subgraph
    editor.session.setConnections({ pose: isConnected(node, 'pose'), text: isConnected(node, 'pose_json') })
    editor.tracing.setUpstream(upstreamPicture(node, 'background', (query) => api.apiURL(`/view?${query}`)))
  }

  follow(text, 'callback', () => editor.session.setText(text.value))
  follow(width, 'callback', () => editor.session.resize(canvasSize()))
  follow(height, 'callback', () => editor.session.resize(canvasSize()))
  follow(node, 'onAdded', () => {
    shown.element = containers.get(node.id) ?? container
    shown.element.replaceChildren(editor.element)
    containers.delete(node.id)
    editors.set(node.id, editor)
    const orphan = orphans.get(node.id)
    if (orphan?.workflow === node.graph.rootGraph.id) editor.tracing.openFile(orphan.opened)
    start()
  })
  follow(node, 'onConfigure', () => {
    start()
    requestAnimationFrame(readConnections) // the graph links its nodes after configuring them
  })
  follow(node, 'onConnectionsChange', () => requestAnimationFrame(readConnections))
  follow(node, 'onExecuted', (output) => output?.pose_json && editor.session.setIncoming(output.pose_json[0]))
  follow(node, 'onRemoved', () => {
    const { opened } = editor.tracing
    editor.dispose()
    containers.set(node.id, shown.element)
    const heir = editors.get(node.id)
    if (heir !== editor) {
      if (opened) heir?.tracing.openFile(opened)
      return
    }
    editors.delete(node.id)
    if (!opened) return
    orphans.set(node.id, { opened, workflow: node.graph.rootGraph.id })
    setTimeout(() => orphans.delete(node.id))
  })
  // The node upstream may have been given another picture meanwhile.
  editor.element.addEventListener('pointerenter', readConnections)
}

/** The people in a picture file, as the server finds them: a frame of OpenPose JSON. */
async function detectPose(file) {
  const answer = await api.fetchApi('/cfld/detect_pose', { method: 'POST', body: file })
  if (answer.ok) return answer.json()
  const text = await answer.text()
  // The pack says what is wrong in JSON; the host itself, of a file too large, say, in words.
  throw new Error([422, 429].includes(answer.status) ? JSON.parse(text).error : `${answer.status}: ${text}`)
}

/**
 * Lets the page's undo see the change: it looks after clicks and keys, but not after keys in text areas, and for such
 * the page takes this editor. A little later, because in "run on change" mode the page undoes in the same key press and
 * must find the graph as it was.
 */
function recordForGraphUndo() {
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      app.canvas.emitBeforeChange()
      app.canvas.emitAfterChange()
    })
  )
}
