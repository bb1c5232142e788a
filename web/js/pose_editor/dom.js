import { said } from './texts.js'

/** An element with attributes, properties given by functions (`onclick: ...`), and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made[name] = value
    else if (typeof value === 'boolean') made.toggleAttribute(name, value)
    else made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

/** Line drawings on a 16 x 16 grid. */
const ICONS = {
  joints: 'M3 5a1.7 1.7 0 1 0 0-.1zM9.6 11.4a1.7 1.7 0 1 0 0-.1zM6 6l4 4M11.5 2.5v3M10 4h3',
  figure: 'M6.6 3a1.4 1.4 0 1 0 0-.1zM8 4.5v5M8 9.5 5.5 14M8 9.5l2.5 4.5M4.5 6.5h7',
  limbs: 'M3 4.5a1.7 1.7 0 1 0 0-.1zM6 6l3.5 2.5L8 13M9.5 8.5 14 6',
  toggle: 'M1.5 8c3-5.5 10-5.5 13 0-3 5.5-10 5.5-13 0zM6.3 8a1.7 1.7 0 1 0 0-.1zM3 13.5l10-11',
  undo: 'M6 3 3 6l3 3M3 6h6a4 4 0 0 1 0 8H7',
  redo: 'm10 3 3 3-3 3M13 6H7a4 4 0 0 0 0 8h2',
  mirror: 'M8 2v12M6 5 2 12h4zM10 5l4 7h-4z',
  presets: 'M2.5 2.5h4.5v4.5H2.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z',
  background: 'M2 3h12v10H2zM2.5 12 6 7.5l3 3.5 1.5-1.8 3 3M10.8 5.8h.4',
  detect: 'M2 5V2h3M11 2h3v3M14 11v3h-3M5 14H2v-3M6.6 5a1.4 1.4 0 1 0 0-.1zM8 6.4v3.1M8 9.5 6.4 12.5M8 9.5l1.6 3M5.6 8h4.8',
  save: 'M8 2.5v7.5M5 7l3 3 3-3M2.5 10v3.5h11V10',
  json: 'M6 2.5c-3 0-1 4.5-3.5 5.5C5 9 3 13.5 6 13.5M10 2.5c3 0 1 4.5 3.5 5.5-2.5 1-.5 5.5-3.5 5.5',
  fit: 'M2.5 5.5v-3h3M10.5 2.5h3v3M13.5 10.5v3h-3M5.5 13.5h-3v-3M5.5 5.5h5v5h-5z',
  help: 'M5.8 6a2.2 2.2 0 1 1 3.2 2c-.8.4-1 .8-1 1.6M8 12.2v.1',
  enlarge: 'M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9',
  close: 'm4 4 8 8M12 4l-8 8',
  'zoom-in': 'M2.5 7a4.5 4.5 0 1 0 9 0 4.5 4.5 0 0 0-9 0M10.3 10.3 14 14M7 5v4M5 7h4',
  'zoom-out': 'M2.5 7a4.5 4.5 0 1 0 9 0 4.5 4.5 0 0 0-9 0M10.3 10.3 14 14M5 7h4',
  'add-person': 'M4.2 3.5a1.6 1.6 0 1 0 0-.1zM5.8 5v4.5M5.8 9.5 3.8 14M5.8 9.5l2 4.5M3 7h5.6M12 8v5M9.5 10.5h5',
  'remove-person': 'M4.2 3.5a1.6 1.6 0 1 0 0-.1zM5.8 5v4.5M5.8 9.5 3.8 14M5.8 9.5l2 4.5M3 7h5.6M9.5 10.5h5',
  add: 'M8 3v10M3 8h10',
  duplicate: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  remove: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9'
}

/** A button with an icon; `label` is its tooltip and its accessible name. */
export function iconButton(icon, label, onclick) {
  const button = element('button', { type: 'button', title: label, 'aria-label': label, 'data-action': icon, onclick })
  button.innerHTML = `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="${ICONS[icon]}"/></svg>`
  return button
}

/** What opens over the stage: a title, a button that closes it, and the content. */
export function sheet(title, close, ...content) {
  return element(
    'section', { class: 'sheet', 'aria-label': title },
    element(
      'header', {},
      element('h3', {}, title), element('button', { type: 'button', onclick: close }, said('sheet.close'))
    ),
    ...content
  )
}
