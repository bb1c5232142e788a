/** The people and frames below the stage and, in the large editor, the joints beside it. */
import { element, iconButton } from './dom.js'
import { drawThumbnail } from './drawing.js'
import * as edits from './edits.js'
import { JOINT_COLOURS } from './skeleton.js'
import { jointName, said } from './texts.js'

const THUMBNAIL = { width: 64, height: 88 } // twice what is laid out, for sharp screens

/** A picture of every frame to choose from, and what can be done to frames. Returns {element, refresh()}. */
export function createFramesRow(session) {
  const list = element('div', { class: 'list', role: 'group', 'aria-label': said('frames') })
  const add = iconButton('add', said('frame.new'), () => session.addStandingFrame())
  const duplicate = iconButton('duplicate', said('frame.duplicate'), () => session.addFrame())
  const remove = iconButton('remove', said('frame.delete'), () => session.removeFrame())

  const refresh = () => {
    resize(list, session.frames.length, (index) => {
      const picture = element('canvas', { width: String(THUMBNAIL.width), height: String(THUMBNAIL.height) })
      return element('button', { type: 'button', onclick: () => session.selectFrame(index) }, picture)
    })
    session.frames.forEach((pose, index) => {
      const button = list.children[index]
      const isCurrent = index === session.frame
      button.setAttribute('aria-label', said('frame', { number: index + 1, count: session.frames.length }))
      button.setAttribute('aria-pressed', isCurrent)
      const shown = isCurrent ? session.pose : pose
      drawThumbnail(button.firstChild.getContext('2d'), shown, session.canvas)
    })
    add.disabled = duplicate.disabled = !session.canEdit
    remove.disabled = !session.canEdit || session.frames.length === 1
  }
  return { element: element('div', { class: 'frames' }, list, add, duplicate, remove), refresh }
}

/** Everybody in the frame by number, one of them chosen, and what can be done to people. Returns {element, refresh()}. */
export function createPeopleRow(session) {
  const list = element('div', { class: 'list', role: 'group', 'aria-label': said('people') })
  const add = iconButton('add-person', said('person.add'), () => session.addPerson())
  const remove = iconButton('remove-person', said('person.delete'), () => session.removePerson())

  const refresh = () => {
    const { people: { length: count } } = session
    resize(list, count, (index) =>
      element('button', { type: 'button', onclick: () => session.choosePerson(index) }, String(index + 1))
    )
    for (const [index, button] of [...list.children].entries()) {
      button.setAttribute('aria-label', said('person', { number: index + 1, count }))
      button.setAttribute('aria-pressed', index === session.chosen)
      button.disabled = !session.canEdit
    }
    add.disabled = !session.canEdit
    remove.disabled = !session.canEdit || count === 1
  }
  return { element: element('div', { class: 'people' }, said('people'), list, add, remove), refresh }
}

function resize(list, count, make) {
  while (list.children.length > count) list.lastChild.remove()
  while (list.children.length < count) list.append(make(list.children.length))
}

/** All joints by name, each with a check box for visible. Returns {element, refresh()}. */
export function createJointList(session) {
  const rows = JOINT_COLOURS.map((colour, joint) => {
    const name = jointName(joint)
    const visible = element('input', { type: 'checkbox', 'aria-label': said('joint.visible', { joint: name }) })
    visible.onchange = () => edits.toggle(session, joint)
    const dot = element('i', { style: `background: ${colour}` })
    const button = element('button', { type: 'button', onclick: () => session.selectJoint(joint) }, dot, name)
    return { row: element('div', { class: 'joint' }, button, visible), button, visible }
  })
  const refresh = () =>
    rows.forEach(({ button, visible }, joint) => {
      visible.checked = Boolean(session.pose[joint])
      visible.disabled = !session.canEdit
      button.setAttribute('aria-pressed', joint === session.joint)
    })
  return {
    element: element('div', { class: 'joints', role: 'group', 'aria-label': said('joints') }, ...rows.map(({ row }) => row)),
    refresh
  }
}
