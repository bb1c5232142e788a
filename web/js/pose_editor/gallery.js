/** The sheet of poses to choose from: the user's own and the bundled ones, by category and by search. */
import { element, iconButton, sheet } from './dom.js'
import { drawThumbnail } from './drawing.js'
import { CATEGORIES, isOwn, poseTitle } from './pose_library.js'
import { said } from './texts.js'

const OWN = 'own'
const THUMBNAIL = { width: 176, height: 256 }

/** Takes what every sheet does, see `SHEETS`; Shift and click, or the + of a pose, adds it as a new frame. */
export function gallerySheet({ reader, library, take, attempt, close, libraryChanged }) {
  const search = element('input', {
    type: 'search', placeholder: said('gallery.search'), 'aria-label': said('gallery.search')
  })
  const category = element(
    'select', { 'aria-label': said('gallery.category') },
    ...['all', OWN, ...Object.keys(CATEGORIES)].map((key) => element('option', { value: key }, said(`gallery.${key}`)))
  )
  const nothing = element('p', {}, said('gallery.nothing'))
  const own = group(OWN, [])
  const groups = [own, ...Object.entries(CATEGORIES).map(([key, names]) => group(key, names.map(tile)))]
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) target.draw()
  })

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/)
    for (const part of groups) {
      const isChosen = category.value === 'all' || category.value === part.dataset.category
      const tiles = [...part.querySelectorAll('.tile')]
      for (const one of tiles) one.hidden = !words.every((word) => one.dataset.words.includes(word))
      part.hidden = !isChosen || tiles.every(({ hidden }) => hidden)
    }
    nothing.hidden = groups.some(({ hidden }) => !hidden)
  }
  const choose = (name, asNewFrame) =>
    attempt(async () => {
      await take(await library.read(name), { asNewFrame })
      close()
    })
  const listOwn = () =>
    attempt(async () => {
      seen.disconnect()
      own.lastChild.replaceChildren(...(await library.ownNames()).map(tile))
      for (const picture of own.querySelectorAll('canvas')) seen.observe(picture)
      filter()
    })

  function tile(name) {
    const title = poseTitle(name)
    const label = said('gallery.choose', { title })
    return element(
      'div', { class: 'tile', 'data-words': `${title} ${name.replaceAll('_', ' ')}`.toLowerCase() },
      element(
        'button', {
          type: 'button', title: label, 'data-preset': name, onclick: (event) => choose(name, event.shiftKey)
        },
        isOwn(name) ? thumbnail(name) : element('img', { src: library.picture(name), alt: '', loading: 'lazy' }),
        element('span', {}, title)
      ),
      iconButton('add', said('gallery.add', { title }), () => choose(name, true)),
      ...(isOwn(name) ? [removeButton(name, title)] : [])
    )
  }

  function thumbnail(name) {
    const picture = element('canvas', { width: String(THUMBNAIL.width), height: String(THUMBNAIL.height) })
    picture.draw = async () => {
      seen.unobserve(picture)
      try {
        const [frame] = await reader.read(await library.read(name))
        drawThumbnail(picture.getContext('2d'), frame.pose, frame)
      } catch (error) {
        picture.replaceWith(element('em', { class: 'problem' }, error.message))
      }
    }
    return picture
  }

  /** Deletes at the second press: there is no way back. */
  function removeButton(name, title) {
    const button = iconButton('remove', said('gallery.delete', { title }), () => {
      if (button.ariaPressed !== 'true') {
        button.ariaPressed = 'true'
        button.title = said('gallery.reallyDelete', { title })
        button.append(element('span', {}, button.title))
        return
      }
      attempt(async () => {
        await library.remove(name)
        libraryChanged()
        await listOwn()
      })
    })
    button.onblur = () => {
      button.ariaPressed = null
      button.title = said('gallery.delete', { title })
      button.querySelector('span')?.remove()
    }
    return button
  }

  search.oninput = category.onchange = filter
  filter()
  listOwn()
  return sheet(said('gallery'), close, element('div', { class: 'row' }, search, category), ...groups, nothing)
}

function group(key, tiles) {
  return element(
    'section', { class: 'group', 'data-category': key },
    element('h4', {}, said(`gallery.${key}`)),
    element('div', { class: 'presets' }, ...tiles)
  )
}
