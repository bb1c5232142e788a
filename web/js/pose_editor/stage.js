import { element } from './dom.js'
import { drawStage } from './drawing.js'
import { listenToPointer } from './pointer.js'
import { WHOLE_CANVAS, panBy, viewportOf, zoomAt } from './viewport.js'

const SHARPNESS = 2 // the graph's zoom can enlarge the stage without laying it out anew

/**
 * The part of the editor in which the figure is drawn and dragged.
 *
 * Returns {element, camera, draw()}; takesWheel and passWheel as `listenToPointer` has them.
 */
export function createStage({ session, tracing, takesWheel, passWheel }) {
  const picture = element('canvas', { 'aria-hidden': 'true' })
  const notice = element('div', { class: 'notice' })
  const stage = element(
    'div',
    {
      class: 'stage', tabindex: '0', role: 'application', 'aria-roledescription': 'pose canvas',
      'aria-label': 'Pose canvas', 'aria-describedby': 'hint'
    },
    picture, notice
  )
  const size = () => ({ width: stage.clientWidth, height: stage.clientHeight })
  let view = WHOLE_CANVAS
  let hovered = null

  const look = (changed) => {
    view = changed
    draw()
  }
  const camera = {
    isSpaceHeld: false,
    get viewport() {
      return viewportOf(view, session.canvas, size())
    },
    pan: (offset) => look(panBy(view, offset)),
    zoom: (factor, point = [size().width / 2, size().height / 2]) => look(zoomAt(view, factor, point, size())),
    reset: () => look(WHOLE_CANVAS)
  }

  function draw() {
    const { width, height } = size()
    if (!width || !height) return
    const ratio = SHARPNESS * window.devicePixelRatio
    picture.width = width * ratio
    picture.height = height * ratio
    const context = picture.getContext('2d')
    context.scale(ratio, ratio)
    drawStage(context, {
      stage: { width, height },
      viewport: camera.viewport,
      canvas: session.canvas,
      pose: session.pose,
      isFaint: !session.isStored,
      showHidden: session.canEdit && session.tool === 'joints',
      tool: session.tool,
      selected: session.joint,
      hovered,
      background: tracing.background
    })
    notice.textContent = noticeOf(session)
  }

  listenToPointer(stage, {
    session,
    camera,
    hover(joint) {
      if (joint === hovered) return
      hovered = joint
      draw()
    },
    takesWheel,
    passWheel
  })
  new ResizeObserver(draw).observe(stage)
  return { element: stage, camera, draw }
}

/** What the user should know about the stage as a whole, or ''. */
function noticeOf(session) {
  if (session.locked) return session.locked
  if (session.error) return `The stored pose cannot be read. ${session.error} Mend it as text or choose a preset.`
  if (!session.pose.some(Boolean)) return 'Every joint is hidden: nobody is in this frame.'
  if (session.isStored) return ''
  if (session.hasInput) return 'The connected pose is passed on until something is drawn here.'
  return 'A starting point, not stored yet: drag a joint or choose a preset.'
}
