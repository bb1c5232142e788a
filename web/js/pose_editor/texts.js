/**
 * What the editor says, by key, in the page's language; {words} in braces are filled in. The bundled poses' names are
 * part of it: in English they are those of the files.
 */
import { CHINESE } from './texts/chinese.js'
import { ENGLISH } from './texts/english.js'

/** By language of the page; any other is spoken to in English. */
export const TEXTS = { en: ENGLISH, zh: CHINESE }
let texts = ENGLISH

/** From here on everything is said in this language of the page. To be called before there is an editor. */
export function speak(language) {
  texts = TEXTS[language] ?? ENGLISH
}

/** The text of a key, with its words filled in. */
export function said(key, words = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, word) => words[word])
}

/** What a bundled pose, or its file in English, is called. */
export function poseName(file) {
  return texts[`pose.${file}`] ?? file[0].toUpperCase() + file.slice(1).replaceAll('_', ' ')
}
