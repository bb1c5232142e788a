import { element, iconButton } from './dom.js'
import { said } from './stage_texts.js'

/**
 * The row of buttons. ui: {openSheet(name), detect(), canDetect(), enlarge(),
 * shrink()}. Returns {element, refresh(isLarge)}.
 */
export function createToolbar(session, ui) {
  const joints = iconButton('joints', 'Move joints and limbs (T)', () => session.selectTool('joints'))
  const limbs = iconButton('limbs', 'Move a joint with its limb (T)', () => session.selectTool('limbs'))
  const figure = iconButton('figure', 'Move, turn, scale the whole figure (T)', () => session.selectTool('figure'))
  const undo = iconButton('undo', 'Undo (Ctrl+Z)', () => session.undo())
  const redo = iconButton('redo', 'Redo (Ctrl+Shift+Z)', () => session.redo())
  const toggle = iconButton('toggle', said('joint.toggle'), () => session.toggle(session.joint))
  const mirror = iconButton('mirror', 'Mirror the figure (M)', () => session.mirror())
  const presets = iconButton('presets', 'Presets', () => ui.openSheet('presets'))
  const background = iconButton('background', 'Picture to trace', () => ui.openSheet('background'))
  const detect = iconButton('detect', said('detect'), () => ui.detect())
  const json = iconButton('json', 'OpenPose JSON: copy and paste', () => ui.openSheet('json'))
  const help = iconButton('help', 'Mouse and keys (?)', () => ui.openSheet('help'))
  const enlarge = iconButton('enlarge', 'Large editor (Enter)', () => ui.enlarge())
  const close = iconButton('close', 'Back to the node (Escape)', () => ui.shrink())
  const gap = () => element('i', {})

  return {
    element: element(
      'div', { class: 'toolbar', role: 'toolbar', 'aria-label': 'Pose editor' },
      joints, limbs, figure, gap(), undo, redo, toggle, mirror, gap(), presets, background, detect, json, gap(), help, enlarge, close
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
      presets.disabled = Boolean(session.locked)
      enlarge.hidden = isLarge
      close.hidden = !isLarge
    }
  }
}
