/** How our widgets live with the nodes of the page that they are in. */

/** Calls `then` with the same arguments after whatever method the object has under that name. */
export function follow(object, name, then) {
  const method = object[name]
  object[name] = function (...args) {
    const result = method?.apply(this, args)
    then(...args)
    return result
  }
}

const MODES_AT_REST = [2, 4] // muted, bypassed
const FADED = '0.4' // as the classic renderer draws a muted node

/** Makes an element in a node look muted with it. Nodes 2.0 does so itself, and does not call this drawing of nodes. */
export function fadeWithNode(node, element) {
  follow(node, 'onDrawForeground', () => {
    element.style.opacity = MODES_AT_REST.includes(node.mode) && !LiteGraph.vueNodesMode ? FADED : ''
  })
}

/** Whether a wire comes in at an input of a node. */
export function isConnected(node, name) {
  const slot = node.inputs.findIndex((input) => input.name === name)
  return slot >= 0 && inputLink(node, slot) !== null
}

/** The link that comes in at a slot, or null: looked for among all, as no method is there, and right, on every page. */
export function inputLink(node, slot) {
  const isOurs = (link) => String(link.target_id) === String(node.id) && link.target_slot === slot
  return [...(node.graph?.links.values() ?? [])].find(isOurs) ?? null
}
