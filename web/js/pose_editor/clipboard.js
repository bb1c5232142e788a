import { element } from './dom.js'

/**
 * Copy and paste by keyboard, also on pages without a secure connection, where navigator.clipboard is missing. A hidden
 * text area takes the focus for the length of the key press; the browser then copies from it or pastes into it.
 */
export function createClipboard({ onPaste, restoreFocus }) {
  const area = element('textarea', { class: 'clipboard', tabindex: '-1', 'aria-hidden': 'true' })
  area.addEventListener('paste', (event) => {
    event.preventDefault()
    restoreFocus()
    onPaste(event.clipboardData.getData('text/plain'))
  })
  area.addEventListener('keyup', restoreFocus)

  const hold = (text) => {
    area.value = text
    area.focus({ preventScroll: true })
    area.select()
  }
  return {
    area,
    /** To be called in a keydown whose default action is left to the browser. */
    prepareCopy: hold,
    preparePaste: () => hold(''),
    /** Copies at once, from a click. */
    copyNow(text) {
      hold(text)
      document.execCommand('copy')
      restoreFocus()
    }
  }
}
