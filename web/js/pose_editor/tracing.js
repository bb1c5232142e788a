/** The picture under the figure, to trace: the one wired into the node, or one opened from disk just for this. */

/**
 * Where the page can get the picture wired into an input of a node, or null. Known are Load Image, whose widget names
 * the file, and any node that shows a preview.
 */
export function upstreamPicture(node, inputName, viewAddress) {
  const slot = node.inputs?.findIndex((input) => input.name === inputName) ?? -1
  let origin = slot >= 0 ? node.getInputNode(slot) : null
  while (origin?.type === 'Reroute') origin = origin.getInputNode(0)
  if (!origin) return null
  const file = origin.widgets?.find((widget) => widget.name === 'image')?.value
  if (typeof file === 'string' && file) return viewAddress(fileParameters(file))
  return origin.imgs?.[0]?.src ?? null
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
    if (!this.#fileAddress) this.#show(address, 'The picture connected to the node')
  }

  openFile(file) {
    this.#forgetFile()
    this.#fileAddress = URL.createObjectURL(file)
    this.#show(this.#fileAddress, `${file.name} (seen here only, not part of the workflow)`)
  }

  closeFile() {
    this.#forgetFile()
    this.#show(this.#upstreamAddress, 'The picture connected to the node')
  }

  setOpacity(opacity) {
    this.opacity = opacity
    this.#changed()
  }

  get hasFile() {
    return this.#fileAddress !== null
  }

  /** What `drawStage` takes. */
  get background() {
    return this.image && { image: this.image, opacity: this.opacity }
  }

  /** The bytes of the picture's file. */
  async file() {
    const answer = await fetch(this.image.src)
    return answer.blob()
  }

  dispose() {
    this.#forgetFile()
  }

  #forgetFile() {
    if (this.#fileAddress) URL.revokeObjectURL(this.#fileAddress)
    this.#fileAddress = null
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
      this.caption = 'The picture cannot be shown.'
    }
    this.#changed()
  }
}
