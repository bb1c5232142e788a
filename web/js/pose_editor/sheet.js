import { element } from './dom.js'
import { said } from './texts.js'

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
