/** The sheet by which poses leave the editor: into the user's own, as JSON, as a picture. */
import { element, sheet } from './dom.js'
import { drawPose } from './drawing.js'
import { said } from './texts.js'

/** Takes what every sheet does, see `SHEETS`. */
export function saveSheet({ session, library, attempt, close, report, announce, libraryChanged }) {
  const name = element('input', { type: 'text', value: 'pose', 'aria-label': said('save.name') })
  const fileName = () => name.value.trim().split('/').at(-1) || 'pose'

  const keep = () =>
    attempt(async () => {
      await library.save(name.value.trim(), session.encode())
      close()
      announce(said('save.kept', { name: name.value.trim() }))
      libraryChanged()
    })
  const saveJson = () => download(new Blob([session.encode()], { type: 'application/json' }), `${fileName()}.json`)
  const savePicture = async () => download(await pictureOf(session), `${fileName()}.png`)
  name.oninput = () => report('')

  const button = (label, onclick) => element('button', { type: 'button', onclick }, label)
  return sheet(
    said('save'), close,
    element('label', { class: 'row' }, said('save.name'), name),
    element('div', { class: 'row' }, button(said('save.keep'), keep)),
    element('p', {}, said('save.keepHint')),
    element('div', { class: 'row' }, button(said('save.json'), saveJson), button(said('save.picture'), savePicture)),
    element('p', {}, said('save.fileHint'))
  )
}

/** The frame being edited as a PNG of the canvas's size, as thick as an OpenPose ControlNet wants it (Draw Pose's). */
function pictureOf({ pose, canvas: { width, height } }) {
  const picture = element('canvas', { width: String(width), height: String(height) })
  const context = picture.getContext('2d')
  context.fillRect(0, 0, width, height)
  const radius = Math.max(1, Math.round((4 * Math.min(width, height)) / 512))
  drawPose(context, pose, { scale: 1, left: 0, top: 0 }, { thickness: 2 * radius, radius })
  return new Promise((done) => picture.toBlob(done, 'image/png'))
}

function download(blob, name) {
  const address = URL.createObjectURL(blob)
  element('a', { href: address, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(address))
}
