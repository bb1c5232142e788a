/** The picture under the figure, to trace: the one wired into the node, or one opened from disk just for this. */
import { inputLink } from './node_life.js'
import { said } from './texts.js'

/**
 * Where the page can get the picture wired into an input of a node, or null. Known are Load Image, whose widget names
 * the file, and any node that shows a preview.
 */
export function upstreamPicture(node, inputName, viewAddress) {
  const origin = originOf(node, node.inputs.findIndex((input) => input.name === inputName))
  if (!origin) return null
  const file = origin.widgets?.find((widget) => widget.name === 'image')?.value
  if (typeof file === 'string' && file) return viewAddress(fileParameters(file))
  return origin.imgs?.[0]?.src ?? null
}

/** The node whose output comes in at a slot, through reroutes, into subgraphs and out of them; null where none is. */
function originOf(node, slot) {
  const link = inputLink(node, slot)
  if (!link) return null
  const origin = node.graph.getNodeById(link.origin_id)
  if (origin?.type === 'Reroute') return originOf(origin, 0)
  if (origin?.isSubgraphNode()) return innerOrigin(origin, link.origin_slot)
  if (origin) return origin
  // It comes in from outside the subgraph; where that is used several times, from its first use with a connection.
  const { rootGraph } = node.graph
  const uses = [rootGraph, ...rootGraph.subgraphs.values()].flatMap(({ nodes }) =>
    nodes.filter(({ subgraph }) => subgraph === node.graph)
  )
  return uses.map((use) => originOf(use, link.origin_slot)).find(Boolean) ?? null
}

function innerOrigin(subgraphNode, outputSlot) {
  const { outputNode, link } = subgraphNode.resolveSubgraphOutputLink(outputSlot) ?? {}
  return outputNode?.isSubgraphNode() ? innerOrigin(outputNode, link.origin_slot) : (outputNode ?? null)
}

/** 'folder/name.png [input]', as Load Image writes it -> the parameters of the server's /view. */
export function fileParameters(text) {
  const [, path, type = 'input'] = text.match(/^(.*?)(?: \[(\w+)\])?$/)
  const cut = path.lastIndexOf('/')
  return new URLSearchParams({ filename: path.slice(cut + 1), subfolder: path.slice(0, Math.max(cut, 0)), type })
}

export class Tracing {
  image = null
  opacity = 0.6
  /** The file opened by the user, or null. */
  opened = null
  /** What is shown, in words; '' where nothing is. */
  caption = ''
  #changed
  #upstreamAddress = null
  #fileAddress = null

  constructor(changed) {
    this.#changed = changed
  }

  /** The address of the picture wired into the node, or null. A file opened by the user stays on top of it. */
  setUpstream(address) {
    if (address === this.#upstreamAddress) return
    this.#upstreamAddress = address
    if (!this.#fileAddress) this.#show(address, said('tracing.connected'))
  }

  openFile(file) {
    this.forgetFile()
    this.opened = file
    this.#fileAddress = URL.createObjectURL(file)
    this.#show(this.#fileAddress, said('tracing.file', { name: file.name }))
  }

  closeFile() {
    this.forgetFile()
    this.#show(this.#upstreamAddress, said('tracing.connected'))
  }

  setOpacity(opacity) {
    this.opacity = opacity
    this.#changed()
  }

  /** What `drawStage` takes. */
  get background() {
    return this.image && { image: this.image, opacity: this.opacity }
  }

  /** The picture's file. One that was opened is not fetched by its address, which some hosts' policies forbid. */
  async file() {
    if (this.opened) return this.opened
    const answer = await fetch(this.image.src)
    return answer.blob()
  }

  /** Lets go of the file that was opened. */
  forgetFile() {
    if (this.#fileAddress) URL.revokeObjectURL(this.#fileAddress)
    this.#fileAddress = null
    this.opened = null
  }

  async #show(address, caption) {
    this.image = null
    this.caption = ''
    this.#changed()
    if (!address) return
    const image = new Image()
    image.src = address
    try {
      await image.decode()
      this.image = image
      this.caption = caption
    } catch {
      this.caption = said('tracing.unreadable')
    }
    this.#changed()
  }
}
