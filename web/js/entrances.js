/** Ways into the pack from the page's own menus: "Open in Pose Editor" on nodes that load, and the command "CFLD demo". */
import { api } from '../../../scripts/api.js'
import { app } from '../../../scripts/app.js'
import { PoseLibrary } from './pose_editor/pose_library.js'
import { PoseReader } from './pose_editor/pose_reader.js'
import { said } from './pose_editor/texts.js'

const EDITOR = 'CFLDPoseEditor'
const GAP = 60
/** The folder of custom_nodes that the pack is in, by which the page lists its templates. */
const PACK = decodeURIComponent(new URL(import.meta.url).pathname.match(/extensions\/([^/]+)\//)[1])
const FIRST_TEMPLATE = '1 '

/** By node class: what the editor gets of the node. */
const OPENED = { LoadImage: tracePicture, CFLDLoadPose: takePose }

app.registerExtension({
  name: 'CFLD.Entrances',
  commands: [{ id: 'CFLD.Demo', label: 'CFLD demo', icon: 'pi pi-user', function: () => tell(openDemo) }],
  menuCommands: [{ path: ['CFLD'], commands: ['CFLD.Demo'] }],
  getNodeMenuItems(node) {
    const fill = OPENED[node.comfyClass]
    return fill ? [{ content: said('menu.openInEditor'), callback: () => tell(() => openInEditor(node, fill)) }] : []
  }
})

/** A new editor beside the node; one step for the page's undo. */
async function openInEditor(node, fill) {
  const editor = LiteGraph.createNode(EDITOR)
  editor.pos = [node.pos[0] + node.size[0] + GAP, node.pos[1]]
  app.canvas.emitBeforeChange()
  node.graph.add(editor)
  await fill(node, editor)
  app.canvas.emitAfterChange()
  app.canvas.deselectAll()
  app.canvas.selectNode(editor)
}

/** The picture is wired in, to be traced; so another one chosen later is traced, too. */
function tracePicture(node, editor) {
  node.connect(0, editor, slotOf(editor, 'background'))
}

/** The pose as it is now becomes the editor's, and goes where Load Pose's went. */
async function takePose(node, editor) {
  const valueOf = ({ widgets }, name) => widgets.find((widget) => widget.name === name)
  const text = await (await new PoseLibrary(api).read(valueOf(node, 'pose').value)).text()
  const [{ width, height }] = await new PoseReader(api).read(text)
  for (const [name, value] of Object.entries({ width, height, pose_json: text })) {
    const widget = valueOf(editor, name)
    widget.value = value
    widget.callback?.(value)
  }
  for (const id of [...(node.outputs[0].links ?? [])]) {
    const link = node.graph.links.get(id)
    editor.connect(0, node.graph.getNodeById(link.target_id), link.target_slot)
  }
}

const slotOf = (node, name) => node.inputs.findIndex((input) => input.name === name)

async function openDemo() {
  const templates = await (await api.fetchApi('/workflow_templates')).json()
  const name = templates[PACK].find((title) => title.startsWith(FIRST_TEMPLATE))
  const answer = await api.fetchApi(`/workflow_templates/${encodeURIComponent(PACK)}/${encodeURIComponent(name)}.json`)
  await app.loadGraphData(await answer.json(), true, true, name)
}

/** Says in the page what went wrong. */
async function tell(action) {
  try {
    await action()
  } catch (error) {
    app.extensionManager.toast.add({ severity: 'error', summary: 'CFLD', detail: error.message, life: 10_000 })
  }
}
