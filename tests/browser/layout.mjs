/** How the open workflow lies on the screen, as the page itself has laid it out. Lengths in units of the graph. */

/** The scale the page opened it at. */
export const scaleOf = (page) => page.evaluate(() => window.app.canvas.ds.scale)

/** Gives every node an error, so that Nodes 2.0 shows the bar that makes it taller; or takes all away again. */
export async function markAllWrong(page, isWrong = true) {
  await page.evaluate((isWrong) => {
    const { app } = window
    const errors = app.graph.nodes.filter(() => isWrong).map(({ id, type }) => [
      String(id),
      { errors: [{ type: 'test', message: 'wrong', details: '', extra_info: {} }], class_type: type, dependent_outputs: [] }
    ])
    const stores = document.querySelector('#vue-app').__vue_app__.config.globalProperties.$pinia._s
    stores.get('executionError').recordNodeErrors(Object.fromEntries(errors))
  }, isWrong)
  await page.waitForTimeout(500)
}

/** Gives every node that shows a picture once it has run a picture of the input folder, as the server does. */
export async function showPictures(page, filename) {
  await page.evaluate((filename) => {
    const SHOWING = /^(Save(Image|AnimatedWEBP)|PreviewImage|CFLD(DemoPerson|(Detect|Draw|Retarget|Turn)Pose|ChoosePerson|PoseMask|FitPoseToMask|WarpPerson|SaveAppearance))$/
    const { app } = window
    const images = [{ filename, subfolder: '', type: 'input' }]
    for (const { id } of app.graph.nodes.filter(({ type, mode }) => SHOWING.test(type) && mode === 0)) {
      const node = String(id)
      app.api.dispatchCustomEvent('executed', { node, display_node: node, prompt_id: 'test', output: { images } })
    }
  }, filename)
  await page.waitForTimeout(1500) // until they are loaded, and the nodes have grown
}

/** What lies over or behind something else, in words: nodes over nodes, wires behind nodes and over groups' titles. */
export const layoutFaults = (page) =>
  page.evaluate(() => {
    const [FOREIGN, OWN] = [4, 16] // how far a wire may reach into a node: not at all, and to its own slot
    const { app } = window
    const { canvas, graph } = app
    canvas.draw(true, true)

    const view = canvas.canvas.getBoundingClientRect()
    const { scale, offset } = canvas.ds
    const rectangles = graph.nodes.map((node) => {
      const element = document.querySelector(`[data-node-id="${node.id}"]`)
      if (!element) {
        const [x, y, width, height] = node.boundingRect
        // The classic canvas draws a picture that is too high beyond the node's own frame.
        const picture = node.widgets?.find(({ name }) => name === '$$canvas-image-preview')
        const bottom = picture ? node.pos[1] + picture.y + picture.computedHeight : 0
        return { node, box: [x, y, width, Math.max(height, bottom - y)] }
      }
      const { x, y, width, height } = element.getBoundingClientRect()
      return {
        node,
        box: [(x - view.x) / scale - offset[0], (y - view.y) / scale - offset[1], width / scale, height / scale]
      }
    })
    const wires = [...graph.links.values()].map((link) => {
      const paths = [link.path]
      for (let id = link.parentId; id !== undefined; id = graph.reroutes.get(id).parentId) {
        paths.push(graph.reroutes.get(id).path)
      }
      return { link, paths }
    })
    const nameOf = ({ id, title }) => `${title} (${id})`
    const faults = []

    rectangles.forEach(({ node, box: [x, y, width, height] }, index) => {
      for (const { node: other, box } of rectangles.slice(index + 1)) {
        const apart =
          x + width <= box[0] || box[0] + box[2] <= x || y + height <= box[1] || box[1] + box[3] <= y
        if (!apart) faults.push(`${nameOf(node)} and ${nameOf(other)} overlap`)
      }
    })

    const isInked = (paths, [x, y, width, height], margin) => {
      const context = new OffscreenCanvas(width - 2 * margin, height - 2 * margin).getContext('2d')
      context.translate(-x - margin, -y - margin)
      for (const path of paths) context.stroke(path)
      return context.getImageData(0, 0, context.canvas.width, context.canvas.height).data.some((value) => value > 0)
    }
    for (const { node, box } of rectangles) {
      for (const { link, paths } of wires) {
        const isOwn = [link.origin_id, link.target_id].some((id) => String(id) === String(node.id))
        if (isInked(paths, box, isOwn ? OWN : FOREIGN)) {
          const [from, to] = [link.origin_id, link.target_id].map((id) => nameOf(graph.getNodeById(id)))
          faults.push(`the wire from ${from} to ${to} runs behind ${nameOf(node)}`)
        }
      }
    }
    for (const { title, font_size: size = 24, pos: [x, y] } of graph.groups) {
      const context = new OffscreenCanvas(1, 1).getContext('2d')
      context.font = `${size}px Arial`
      const band = [x + 4, y + 4, Math.ceil(context.measureText(title).width), size]
      for (const { link, paths } of wires) {
        if (isInked(paths, band, 0)) faults.push(`the wire from ${nameOf(graph.getNodeById(link.origin_id))} runs over '${title}'`)
      }
    }
    const titles = graph.groups.map(({ title }) => title)
    for (const title of titles.filter((one, index) => titles.indexOf(one) < index)) faults.push(`two groups are '${title}'`)
    return faults
  })

/** Pictures that a run will show, of nodes that end a workflow, which lie under the page's map in the lower right corner. */
export const underTheMap = (page) =>
  page.evaluate(() => {
    const [width, height] = [255, 215]
    const { app } = window
    const { scale, offset } = app.canvas.ds
    const place = (value, axis) => (value + offset[axis]) * scale
    return app.graph.nodes
      .filter(({ type }) => /^(Save(Image|AnimatedWEBP)|ImageCompare)$/.test(type))
      .filter(({ pos, size }) =>
        place(pos[0] + size[0], 0) > window.innerWidth - width && place(pos[1] + size[1], 1) > window.innerHeight - height)
      .map(({ title }) => title)
  })
