/** Shows under a node of this pack what it says in its result: warnings, names of saved files, and what its preview shows. */
import { app } from '../../../scripts/app.js'
import { element } from './pose_editor/dom.js'
import { follow, fadeWithNode } from './pose_editor/node_life.js'

const HEIGHT = 64

app.registerExtension({
  name: 'CFLD.NodeTexts',
  nodeCreated(node) {
    if (node.comfyClass?.startsWith('CFLD')) follow(node, 'onExecuted', (result) => show(node, result?.says ?? [], result?.text ?? []))
  }
})

/** The widget comes with the first text, and is hidden while there is none. */
function show(node, said, noted) {
  const isSilent = !said.length && !noted.length
  let widget = node.widgets?.find(({ name }) => name === 'cfld_says')
  if (!widget) {
    if (isSilent) return
    widget = createWidget(node)
  }
  const line = (text, style) => element('div', { style }, text)
  widget.element.replaceChildren(...said.map((text) => line(text, 'color: #ddd')), ...noted.map((text) => line(text, '')))
  widget.element.hidden = widget.hidden = widget.options.hidden = isSilent
  const [width, height] = node.computeSize()
  node.setSize([node.size[0], Math.max(node.size[1], height)])
  node.setDirtyCanvas?.(true, true)
}

function createWidget(node) {
  const text = element('div', { role: 'status', class: 'cfld-says', style: STYLE })
  const widget = node.addDOMWidget('cfld_says', 'CFLD_SAYS', text, {
    serialize: false, // not part of the prompt
    hideInPanel: true, // which would take the only element
    getMinHeight: () => (widget?.hidden ? 0 : HEIGHT)
  })
  widget.serialize = false // nor of the saved workflow
  fadeWithNode(node, text)
  return widget
}

const STYLE =
  'height: 100%; min-height: 0; padding: 2px 6px; overflow-y: auto; border-radius: 4px; background: rgb(0 0 0 / 30%); ' +
  'color: #f5c542; font: 11px/1.4 system-ui, sans-serif; overflow-wrap: anywhere; white-space: pre-wrap; user-select: text'
