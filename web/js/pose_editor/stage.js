import { element, iconButton } from './dom.js'
import { drawStage } from './drawing.js'
import { handsOf } from './people.js'
import { listenToPointer } from './pointer.js'
import { said } from './texts.js'
import { WHOLE_CANVAS, ZOOM_STEP, panBy, viewportOf, zoomAt } from './viewport.js'

const SHARPNESS = 2 // the graph's zoom can enlarge the stage without laying it out anew

/** The part of the editor in which the figure is drawn and dragged. Returns {element, camera, draw()}. */
export function createStage({ session, tracing }) {
  const picture = element('canvas', { 'aria-hidden': 'true' })
  const notice = element('div', { class: 'notice' })
  const stage = element(
    'div',
    {
      class: 'stage', tabindex: '0', role: 'application', 'aria-roledescription': said('stage'),
      'aria-label': said('stage'), 'aria-describedby': 'hint'
    },
    picture, notice
  )
  const size = () => ({ width: stage.clientWidth, height: stage.clientHeight })
  let view = WHOLE_CANVAS
  let hovered = { joint: null, person: null }
  let reading = ''

  const look = (changed) => {
    view = changed
    draw()
  }
  const camera = {
    isSpaceHeld: false,
    get viewport() {
      return viewportOf(view, session.canvas, size())
    },
    size,
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
      people: peopleOf(session, hovered.person),
      showHidden: session.canEdit && session.tool !== 'figure',
      tool: session.tool,
      canTurn: session.canTurn,
      reading,
      selected: session.joint,
      hovered: hovered.joint,
      background: tracing.background
    })
    notice.textContent = noticeOf(session)
    notice.classList.toggle('problem', Boolean(session.error) && !session.locked)
  }

  listenToPointer(stage, {
    session,
    camera,
    hover(found) {
      if (found.joint === hovered.joint && found.person === hovered.person) return
      hovered = found
      draw()
    },
    read(message) {
      reading = message
      draw()
    }
  })
  stage.append(zoomButtons(camera))
  new ResizeObserver(draw).observe(stage)
  return { element: stage, camera, draw }
}

/** Over a corner of the stage, whose presses and keys they keep to themselves. */
function zoomButtons(camera) {
  const buttons = element(
    'div', { class: 'zoom', role: 'group', 'aria-label': said('zoom') },
    iconButton('zoom-in', said('zoom.in'), () => camera.zoom(ZOOM_STEP)),
    iconButton('zoom-out', said('zoom.out'), () => camera.zoom(1 / ZOOM_STEP)),
    iconButton('fit', said('zoom.fit'), camera.reset)
  )
  for (const type of ['pointerdown', 'contextmenu']) buttons.addEventListener(type, (event) => event.stopPropagation())
  return buttons
}

/** Everybody as `drawStage` takes them, the one being edited on top. */
function peopleOf(session, hovered) {
  const drawn = session.people.map((person, index) => ({
    pose: person.pose, hands: handsOf(person), opacity: index === hovered ? 0.6 : 0.3
  }))
  const [edited] = drawn.splice(session.chosen, 1)
  return [...drawn, { ...edited, opacity: session.isStored ? 1 : 0.55 }]
}

/** What the user should know about the stage as a whole, or ''. */
function noticeOf(session) {
  if (session.locked) return session.locked
  if (session.isReading) return said('notice.reading')
  if (session.error) return said('notice.unreadable', { error: session.error })
  if (!session.pose.some(Boolean)) return said('notice.nobody')
  if (session.isStored) return ''
  if (session.hasInput) return said('notice.passedOn')
  return said('notice.start')
}
