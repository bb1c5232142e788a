/**
 * What the editor says, by key, in the page's language; {words} in braces are filled in. In English the joints are called
 * as in `JOINT_NAMES`, and the bundled poses as their files.
 */
import { JOINT_NAMES } from './skeleton.js'
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
export const said = (key, words = {}) => texts[key].replace(/\{(\w+)\}/g, (_, word) => words[word])

/** What a joint is called, by its number. */
export const jointName = (joint) => texts[`name.${JOINT_NAMES[joint]}`] ?? JOINT_NAMES[joint]

/** What a bundled pose, or its file in English, is called. */
export const poseName = (file) => texts[`pose.${file}`] ?? file[0].toUpperCase() + file.slice(1).replaceAll('_', ' ')
