import { element, iconButton } from './dom.js'

/** The row of buttons. ui: {openSheet(name), enlarge(), shrink(), showAll()}. Returns {element, refresh(isLarge)}. */
export function createToolbar(session, ui) {
  const joints = iconButton('joints', 'Move joints and limbs (T)', () => session.selectTool('joints'))
  const figure = iconButton('figure', 'Move, turn, scale the whole figure (T)', () => session.selectTool('figure'))
  const undo = iconButton('undo', 'Undo (Ctrl+Z)', () => session.undo())
  const redo = iconButton('redo', 'Redo (Ctrl+Shift+Z)', () => session.redo())
  const mirror = iconButton('mirror', 'Mirror the figure (M)', () => session.mirror())
  const presets = iconButton('presets', 'Presets', () => ui.openSheet('presets'))
  const background = iconButton('background', 'Picture to trace', () => ui.openSheet('background'))
  const json = iconButton('json', 'OpenPose JSON: copy and paste', () => ui.openSheet('json'))
  const fit = iconButton('fit', 'Show the whole canvas (0)', () => ui.showAll())
  const help = iconButton('help', 'Mouse and keys (?)', () => ui.openSheet('help'))
  const enlarge = iconButton('enlarge', 'Large editor (Enter)', () => ui.enlarge())
  const close = iconButton('close', 'Back to the node (Escape)', () => ui.shrink())
  const gap = () => element('i', {})

  return {
    element: element(
      'div', { class: 'toolbar', role: 'toolbar', 'aria-label': 'Pose editor' },
      joints, figure, gap(), undo, redo, mirror, gap(), presets, background, json, gap(), fit, help, enlarge, close
    ),
    refresh(isLarge) {
      joints.setAttribute('aria-pressed', session.tool === 'joints')
      figure.setAttribute('aria-pressed', session.tool === 'figure')
      undo.disabled = !session.canUndo || Boolean(session.locked)
      redo.disabled = !session.canRedo || Boolean(session.locked)
      mirror.disabled = !session.canEdit
      presets.disabled = Boolean(session.locked)
      enlarge.hidden = isLarge
      close.hidden = !isLarge
    }
  }
}
