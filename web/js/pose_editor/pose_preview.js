/** The picture of a pose of the library, as large as there is room. */
import { element } from './dom.js'
import { drawThumbnail } from './drawing.js'
import { said } from './texts.js'

const SHARPNESS = 2 // the graph's zoom can enlarge the picture without laying it out anew

/** Returns {element, show(name)}: several frames stand side by side, as many as fit; null is a name that a wire brings. */
export function createPosePreview(library, reader) {
  const picture = element('canvas', { 'aria-hidden': 'true', style: 'position: absolute; inset: 0; width: 100%; height: 100%' })
  const caption = element('div', { role: 'status', style: CAPTION })
  const preview = element('div', { class: 'cfld-pose-preview', style: PREVIEW }, picture, caption)
  let frames = []
  let wanted = null

  const say = (message, isProblem = false) => {
    caption.textContent = message
    caption.style.background = isProblem ? 'rgb(229 72 77 / 80%)' : message ? 'rgb(0 0 0 / 60%)' : ''
  }

  function draw() {
    const { clientWidth: width, clientHeight: height } = preview
    const ratio = SHARPNESS * window.devicePixelRatio
    picture.width = width * ratio
    picture.height = height * ratio
    if (!frames.length || !width || !height) return
    const cell = Math.min(width, (height * frames[0].width) / frames[0].height)
    const count = Math.min(frames.length, Math.max(1, Math.floor(width / cell)))
    const context = picture.getContext('2d')
    context.scale(ratio, ratio)
    frames.slice(0, count).forEach(({ pose, ...canvas }, index) => {
      context.save()
      context.translate((width - count * cell) / 2 + index * cell, 0)
      drawThumbnail(context, pose, canvas, { width: cell, height })
      context.restore()
    })
  }

  async function show(name) {
    wanted = name
    frames = []
    say(name === null ? said('preview.wire') : '')
    try {
      const read = name === null ? [] : await reader.read(await library.read(name))
      if (wanted !== name) return // another one was chosen meanwhile
      frames = read
      if (frames.length > 1) say(said('preview.frames', { count: frames.length }))
    } catch (error) {
      if (wanted === name) say(error.message, true)
    }
    draw()
  }

  new ResizeObserver(draw).observe(preview)
  return { element: preview, show }
}

const PREVIEW = 'position: relative; height: 100%; min-height: 0; overflow: hidden'
const CAPTION =
  'position: absolute; inset: auto 0 0; max-height: 100%; padding: 1px 6px; overflow-y: auto; border-radius: 4px; ' +
  'color: #fff; font: 11px/1.4 system-ui, sans-serif; overflow-wrap: anywhere'
