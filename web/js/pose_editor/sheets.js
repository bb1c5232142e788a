/** The sheets that open over the stage: the gallery, the picture to trace, saving, the JSON text, the list of keys. */
import { element, sheet } from './dom.js'
import { gallerySheet } from './gallery.js'
import { SHORTCUTS } from './keyboard.js'
import { saveSheet } from './save_sheet.js'
import { said } from './texts.js'

/** The picture to trace: open, remove, how strong. */
function tracingSheet({ session, tracing, close }) {
  const file = element('input', { type: 'file', accept: 'image/*', 'aria-label': said('tracing.open'), hidden: true })
  const caption = element('p', {})
  const remove = element('button', { type: 'button', onclick: () => tracing.closeFile() }, said('tracing.remove'))
  const resize = () => session.resize({ width: tracing.image.naturalWidth, height: tracing.image.naturalHeight })
  const match = element('button', { type: 'button', onclick: resize }, said('tracing.match'))
  const opacity = element('input', {
    type: 'range', min: '0', max: '1', step: '0.05', value: String(tracing.opacity),
    'aria-label': said('tracing.strength')
  })
  const refresh = () => {
    caption.textContent = tracing.caption || said('tracing.none')
    remove.hidden = !tracing.opened
    match.hidden = !tracing.image
    match.disabled = Boolean(session.locked)
  }
  file.onchange = () => file.files[0] && tracing.openFile(file.files[0])
  opacity.oninput = () => tracing.setOpacity(Number(opacity.value))
  const open = element('button', { type: 'button', onclick: () => file.click() }, said('tracing.open'))
  const made = sheet(
    said('tracing'), close, caption, file,
    element('div', { class: 'row' }, open, remove, match),
    element('label', { class: 'row' }, said('tracing.strength'), opacity),
    element('p', {}, said('tracing.hint'))
  )
  made.refresh = refresh
  refresh()
  return made
}

/** The poses as text, to read, change, copy and paste. */
function jsonSheet({ session, clipboard, take, attempt, close, report }) {
  const area = element('textarea', { spellcheck: 'false', 'aria-label': said('json') })
  area.value = session.encode()
  area.oninput = () => report('')
  const apply = () =>
    attempt(async () => {
      if (area.value.trim()) await take(area.value)
      else session.clear()
      close()
    })
  const file = element('input', { type: 'file', accept: '.json', 'aria-label': said('json.open'), hidden: true })
  file.onchange = () =>
    attempt(async () => {
      area.value = await file.files[0].text() // to be mended where it cannot be read
      await take(file.files[0])
      close()
    })
  return sheet(
    said('json'), close, area, file,
    element(
      'div', { class: 'row' },
      element('button', { type: 'button', onclick: () => file.click() }, said('json.open')),
      element('button', { type: 'button', onclick: apply }, said('json.apply')),
      element('button', { type: 'button', onclick: () => clipboard.copyNow(area.value) }, said('json.copy')),
      element('span', {}, said('json.hint'))
    )
  )
}

function helpSheet({ close }) {
  const rows = SHORTCUTS.map(([keys, name]) =>
    element('tr', {}, element('th', { scope: 'row' }, keys), element('td', {}, said(`keys.${name}`)))
  )
  return sheet(
    said('help'), close, element('p', {}, said('help.mouse')), element('table', {}, ...rows)
  )
}

/**
 * Sheets by name. Each is made from {session, tracing, clipboard, reader, library, take(text or file), attempt(action),
 * close(), report(error message), announce(message), libraryChanged()}: take is asynchronous, and attempt reports what it
 * raises. One that shows what can change has a refresh() of its own.
 */
export const SHEETS = {
  presets: gallerySheet, background: tracingSheet, save: saveSheet, json: jsonSheet, help: helpSheet
}
