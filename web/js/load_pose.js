/** Shows in the node CFLDLoadPose which pose is chosen. */
import { api } from '../../../scripts/api.js'
import { app } from '../../../scripts/app.js'
import { fadeWithNode, follow, isConnected } from './pose_editor/node_life.js'
import { createPosePreview } from './pose_editor/pose_preview.js'
import { PoseLibrary } from './pose_editor/pose_library.js'
import { PoseReader } from './pose_editor/pose_reader.js'

const NODE = 'CFLDLoadPose'
const reader = new PoseReader(api)
const INITIAL_SIZE = [270, 330]
/** What the page needs to lay it out at all; so a node of an older workflow keeps its size, and shows no more. */
const LEAST_HEIGHT = 24

app.registerExtension({
  name: 'CFLD.LoadPose',
  nodeCreated(node) {
    if (node.comfyClass === NODE) attachPreview(node)
  }
})

function attachPreview(node) {
  const choice = node.widgets.find(({ name }) => name === 'pose')
  const preview = createPosePreview(new PoseLibrary(api), reader)
  const shown = node.addDOMWidget('pose_preview', 'CFLD_POSE_PREVIEW', preview.element, {
    serialize: false, // not part of the prompt
    hideInPanel: true, // which would take the only element
    getMinHeight: () => LEAST_HEIGHT
  })
  shown.serialize = false // nor of the saved workflow
  node.setSize(INITIAL_SIZE.map((size, axis) => Math.max(size, node.size[axis])))

  fadeWithNode(node, preview.element)

  const isWired = () => isConnected(node, 'pose')
  const show = () => preview.show(isWired() ? null : choice.value)
  follow(choice, 'callback', show)
  follow(node, 'onAdded', show)
  follow(node, 'onConfigure', () => requestAnimationFrame(show)) // the graph links its nodes after configuring them
  follow(node, 'onConnectionsChange', () => requestAnimationFrame(show))
}
