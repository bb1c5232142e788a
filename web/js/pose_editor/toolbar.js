import { element, iconButton } from './dom.js'
import * as edits from './edits.js'
import { said } from './texts.js'

/** The row of buttons. ui: {openSheet(name), detect(), canDetect(), enlarge(), shrink()}. Returns {element, refresh(isLarge)}. */
export function createToolbar(session, ui) {
  const joints = iconButton('joints', said('toolbar.joints'), () => session.selectTool('joints'))
  const limbs = iconButton('limbs', said('toolbar.limbs'), () => session.selectTool('limbs'))
  const figure = iconButton('figure', said('toolbar.figure'), () => session.selectTool('figure'))
  const undo = iconButton('undo', said('toolbar.undo'), () => session.undo())
  const redo = iconButton('redo', said('toolbar.redo'), () => session.redo())
  const toggle = iconButton('toggle', said('joint.toggle'), () => edits.toggle(session, session.joint))
  const mirror = iconButton('mirror', said('toolbar.mirror'), () => edits.mirror(session))
  const presets = iconButton('presets', said('toolbar.gallery'), () => ui.openSheet('presets'))
  const background = iconButton('background', said('toolbar.background'), () => ui.openSheet('background'))
  const detect = iconButton('detect', said('detect'), () => ui.detect())
  const save = iconButton('save', said('toolbar.save'), () => ui.openSheet('save'))
  const json = iconButton('json', said('toolbar.json'), () => ui.openSheet('json'))
  const help = iconButton('help', said('toolbar.help'), () => ui.openSheet('help'))
  const enlarge = iconButton('enlarge', said('toolbar.enlarge'), () => ui.enlarge())
  const close = iconButton('close', said('toolbar.close'), () => ui.shrink())
  const gap = () => element('i', {})

  return {
    element: element(
      'div', { class: 'toolbar', role: 'toolbar', 'aria-label': said('editor') },
      joints, limbs, figure, gap(), undo, redo, toggle, mirror, gap(), presets, background, detect, save, json, gap(),
      help, enlarge, close
    ),
    refresh(isLarge) {
      joints.setAttribute('aria-pressed', session.tool === 'joints')
      limbs.setAttribute('aria-pressed', session.tool === 'limbs')
      figure.setAttribute('aria-pressed', session.tool === 'figure')
      undo.disabled = !session.canUndo || Boolean(session.locked)
      redo.disabled = !session.canRedo || Boolean(session.locked)
      toggle.disabled = !session.canEdit || session.joint === null
      mirror.disabled = !session.canEdit
      detect.disabled = Boolean(session.locked) || !ui.canDetect()
      save.disabled = Boolean(session.error) || Boolean(session.locked)
      presets.disabled = Boolean(session.locked)
      enlarge.hidden = isLarge
      close.hidden = !isLarge
    }
  }
}
