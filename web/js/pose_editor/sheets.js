/** The sheets that open over the stage: presets, the picture to trace, the JSON text, the list of keys. */
import { element } from './dom.js'
import { SHORTCUTS } from './keyboard.js'

const POSES = new URL('../../poses/', import.meta.url)

/** The bundled poses as pictures to choose from. */
function presetSheet({ session, presetNames, close, report }) {
  const choose = async (name, event) => {
    try {
      const answer = await fetch(new URL(`${name}.json`, POSES))
      session.take(await answer.text(), { asNewFrame: event.shiftKey })
      close()
    } catch (error) {
      report(error.message)
    }
  }
  const buttons = presetNames().map((name) => presetButton(name, (event) => choose(name, event)))
  const hint = element('p', {}, 'Shift and click adds the pose as a new frame.')
  return sheet('Presets', close, element('div', { class: 'presets' }, ...buttons), hint)
}

function presetButton(name, onclick) {
  const title = name[0].toUpperCase() + name.slice(1).replaceAll('_', ' ')
  const picture = element('img', { src: new URL(`${name}.png`, POSES).href, alt: '', loading: 'lazy' })
  return element('button', { type: 'button', title, 'data-preset': name, onclick }, picture, element('span', {}, title))
}

/** The picture to trace: open, remove, how strong. */
function tracingSheet({ session, tracing, close }) {
  const file = element('input', { type: 'file', accept: 'image/*', 'aria-label': 'Open a picture', hidden: true })
  const caption = element('p', {})
  const remove = element('button', { type: 'button', onclick: () => tracing.closeFile() }, 'Close it')
  const resize = () => session.resize({ width: tracing.image.naturalWidth, height: tracing.image.naturalHeight })
  const match = element('button', { type: 'button', onclick: resize }, 'Canvas as the picture')
  const opacity = element('input', {
    type: 'range', min: '0', max: '1', step: '0.05', value: String(tracing.opacity), 'aria-label': 'Strength'
  })
  const refresh = () => {
    caption.textContent =
      tracing.caption || 'Connect a Load Image node to "background", or open a picture here just for tracing.'
    remove.hidden = !tracing.hasFile
    match.hidden = !tracing.image
    match.disabled = Boolean(session.locked)
  }
  file.onchange = () => file.files[0] && tracing.openFile(file.files[0])
  opacity.oninput = () => tracing.setOpacity(Number(opacity.value))
  const open = element('button', { type: 'button', onclick: () => file.click() }, 'Open a picture…')
  const made = sheet(
    'Picture to trace', close, caption, file,
    element('div', { class: 'row' }, open, remove, match),
    element('label', { class: 'row' }, 'Strength', opacity),
    element('p', {}, 'It is spread over the whole canvas. Give the canvas its size to see it undistorted.')
  )
  made.refresh = refresh
  refresh()
  return made
}

/** The poses as text, to read, change, copy and paste. */
function jsonSheet({ session, clipboard, close, report }) {
  const area = element('textarea', { spellcheck: 'false', 'aria-label': 'OpenPose JSON' })
  area.value = session.encode()
  const apply = () => {
    try {
      if (area.value.trim()) session.take(area.value)
      else session.clear()
      close()
    } catch (error) {
      report(error.message)
    }
  }
  return sheet(
    'OpenPose JSON', close, area,
    element(
      'div', { class: 'row' },
      element('button', { type: 'button', onclick: apply }, 'Apply'),
      element('button', { type: 'button', onclick: () => clipboard.copyNow(area.value) }, 'Copy'),
      element('span', {}, 'OpenPose, COCO and others, pixels or 0–1. An empty text forgets the pose.')
    )
  )
}

function helpSheet({ close }) {
  const rows = SHORTCUTS.map(([keys, meaning]) =>
    element('tr', {}, element('th', { scope: 'row' }, keys), element('td', {}, meaning))
  )
  return sheet(
    'Mouse and keys', close,
    element(
      'p', {},
      'Drag a joint to move it, with Shift its limb too. Drag a bone to swing the limb. Right-click hides or shows a ' +
        'joint; drag a dotted ring to show a hidden one. Drag the empty stage to pan, turn the wheel to zoom.'
    ),
    element('table', {}, ...rows)
  )
}

function sheet(title, close, ...content) {
  return element(
    'section', { class: 'sheet', 'aria-label': title },
    element('header', {}, element('h3', {}, title), element('button', { type: 'button', onclick: close }, 'Close')),
    ...content
  )
}

/**
 * Sheets by name. Each is made from {session, tracing, clipboard, presetNames(), close(), report(message)}; one that
 * shows what can change has a refresh() of its own.
 */
export const SHEETS = { presets: presetSheet, background: tracingSheet, json: jsonSheet, help: helpSheet }
