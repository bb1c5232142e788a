/** Painting on a 2D canvas context. Everything is drawn in stage pixels, through a viewport. */
import { estimateJoint } from './geometry.js'
import { BONE_COLOURS, BONES, JOINT_COLOURS } from './skeleton.js'
import { jointName, said } from './texts.js'
import { WHOLE_CANVAS, figureBox, toStage, viewportOf } from './viewport.js'

const FULL_TURN = 2 * Math.PI
const MARK = '#ffffff'
/** Of OpenPose's 21 points of a hand, each finger from the wrist to its tip. */
const FINGER_BONES = [1, 5, 9, 13, 17].flatMap((first) => [[0, first], ...[0, 1, 2].map((step) => [first + step, first + step + 1])])
const ACCENT = '#4aa3ff'

/** Bones first, then joints, as the network sees them; thickness and radius are in stage pixels. */
export function drawPose(context, pose, viewport, { thickness, radius }) {
  const points = pose.map((point) => point && toStage(viewport, point))
  drawBones(context, points, BONES, thickness, (bone) => BONE_COLOURS[bone])
  points.forEach((point, joint) => {
    if (!point) return
    context.fillStyle = JOINT_COLOURS[joint]
    disc(context, point, radius)
    context.fill()
  })
}

/** Fingers in the colours of the rainbow, as Draw Pose has them; a hand is 21 points, null where missing. */
function drawHand(context, hand, viewport) {
  const points = hand.map((point) => point && toStage(viewport, point))
  drawBones(context, points, FINGER_BONES, 2, (bone) => `hsl(${(360 * bone) / FINGER_BONES.length} 100% 50%)`)
}

function drawBones(context, points, bones, thickness, colourOf) {
  context.lineWidth = thickness
  context.lineCap = 'round'
  bones.forEach(([from, to], bone) => {
    if (!points[from] || !points[to]) return
    context.strokeStyle = colourOf(bone)
    context.beginPath()
    context.moveTo(...points[from])
    context.lineTo(...points[to])
    context.stroke()
  })
}

/** A small picture of a pose, as large as the context's own canvas or as given. */
export function drawThumbnail(context, pose, canvas, { width, height } = context.canvas) {
  context.fillStyle = '#000'
  context.fillRect(0, 0, width, height)
  drawPose(context, pose, viewportOf(WHOLE_CANVAS, canvas, { width, height }, 0), { thickness: 3, radius: 3 })
}

/**
 * The whole stage.
 *
 * scene: {stage: {width, height}, viewport, canvas, pose, people, tool, canTurn, reading, selected, hovered, showHidden,
 * background}: people are {pose, hands, opacity}, the one being edited last; reading is what a drag says of itself, or '';
 * selected and hovered are joints or null; background is {image, opacity} or null.
 */
export function drawStage(context, scene) {
  const { stage, viewport, canvas, pose } = scene
  context.clearRect(0, 0, stage.width, stage.height)
  drawPaper(context, scene)
  for (const { pose, hands, opacity } of scene.people) {
    context.globalAlpha = opacity
    drawPose(context, pose, viewport, { thickness: 4, radius: 5 })
    for (const hand of hands) drawHand(context, hand, viewport)
  }
  context.globalAlpha = 1
  if (scene.showHidden) drawHidden(context, pose, canvas, viewport)
  if (scene.tool === 'figure') return drawFigureBox(context, scene, figureBox(pose, viewport, stage))
  const marked = [scene.hovered, scene.selected].filter((joint) => joint !== null)
  for (const joint of new Set(marked)) drawMark(context, scene, joint)
}

function drawPaper(context, { viewport, canvas, background }) {
  const { left, top, scale } = viewport
  const width = canvas.width * scale
  const height = canvas.height * scale
  context.fillStyle = '#000'
  context.fillRect(left, top, width, height)
  if (background) {
    // Whole and in the middle of the canvas, as the node's own picture has it.
    const { image, opacity } = background
    const size = Math.min(width / image.naturalWidth, height / image.naturalHeight)
    const [across, down] = [image.naturalWidth * size, image.naturalHeight * size]
    context.globalAlpha = opacity
    context.drawImage(image, left + (width - across) / 2, top + (height - down) / 2, across, down)
    context.globalAlpha = 1
  }
  context.strokeStyle = 'rgba(255,255,255,0.25)'
  context.lineWidth = 1
  context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1)
}

/** Hidden joints as dotted rings where they would be. */
function drawHidden(context, pose, canvas, viewport) {
  context.setLineDash([2, 3])
  context.lineWidth = 1.5
  pose.forEach((point, joint) => {
    if (point) return
    context.strokeStyle = JOINT_COLOURS[joint]
    disc(context, toStage(viewport, estimateJoint(pose, joint, canvas)), 5)
    context.stroke()
  })
  context.setLineDash([])
}

/** A ring around a joint, and its name beside it. */
function drawMark(context, { stage, viewport, canvas, pose, selected }, joint) {
  const [x, y] = toStage(viewport, estimateJoint(pose, joint, canvas))
  context.strokeStyle = joint === selected ? MARK : ACCENT
  context.lineWidth = 2
  disc(context, [x, y], 9)
  context.stroke()
  const name = jointName(joint)
  drawLabel(context, stage, pose[joint] ? name : said('joint.ring', { joint: name }), [x, y])
}

/** A word beside a point of the stage. */
function drawLabel(context, stage, text, [x, y]) {
  context.font = '11px system-ui, sans-serif'
  context.textBaseline = 'middle'
  const width = context.measureText(text).width
  const left = x + 18 + width < stage.width ? x + 16 : x - 16 - width
  context.fillStyle = 'rgba(0,0,0,0.7)'
  context.fillRect(left - 3, y - 8, width + 6, 16)
  context.fillStyle = MARK
  context.fillText(text, left, y)
}

function drawFigureBox(context, { stage, canTurn, reading }, box) {
  if (!box) return
  context.strokeStyle = ACCENT
  context.lineWidth = 1.5
  context.setLineDash([5, 4])
  context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top)
  context.setLineDash([])
  context.fillStyle = MARK
  for (const [x, y] of box.corners) {
    context.fillRect(x - 5, y - 5, 10, 10)
    context.strokeRect(x - 5, y - 5, 10, 10)
  }
  disc(context, box.turnHandle, 6)
  context.fill()
  context.stroke()
  if (canTurn) drawSpaceHandle(context, box.spaceHandle)
  if (reading) drawLabel(context, stage, reading, box.spaceHandle)
}

/** An orbit seen from a little above, with a disc on it to take hold of. */
function drawSpaceHandle(context, [x, y]) {
  context.beginPath()
  context.ellipse(x, y, 13, 6, 0, 0, FULL_TURN)
  context.stroke()
  disc(context, [x, y], 6)
  context.fill()
  context.stroke()
}

function disc(context, [x, y], radius) {
  context.beginPath()
  context.arc(x, y, radius, 0, FULL_TURN)
}
