/** The editor speaks both languages of its help, and the gallery knows every bundled pose. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { afterEach, test } from 'node:test'

import { CATEGORIES, poseTitle } from '../../web/js/pose_editor/pose_library.js'
import { JOINT_NAMES } from '../../web/js/pose_editor/skeleton.js'
import { TEXTS, jointName, poseName, said, speak } from '../../web/js/pose_editor/texts.js'

const ROOT = new URL('../../web/', import.meta.url)
const POSES = readdirSync(new URL('poses/', ROOT)).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5))
const isPose = (key) => key.startsWith('pose.')
const isJoint = (key) => key.startsWith('name.')
const wordsOf = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, word]) => word).sort()

afterEach(() => speak('en'))

test('every text is there in both languages, with the same words to fill in', () => {
  const chinese = Object.keys(TEXTS.zh).filter((key) => !isPose(key) && !isJoint(key))
  assert.deepEqual(chinese.sort(), Object.keys(TEXTS.en).sort())
  for (const key of chinese) assert.deepEqual(wordsOf(TEXTS.zh[key]), wordsOf(TEXTS.en[key]), key)
})

test('every text is said somewhere, and everything said has a text', () => {
  const folder = new URL('js/', ROOT)
  const code = readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.js') && !name.includes('texts'))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('\n')
  const keys = new Set([...code.matchAll(/said\('([^']+)'/g)].map(([, key]) => key))
  const families = [...code.matchAll(/said\(`([\w.]+\.)\$\{/g)].map(([, family]) => family)
  for (const key of keys) assert.ok(key in TEXTS.en, `no text '${key}'`)
  for (const key of Object.keys(TEXTS.en)) {
    assert.ok(code.includes(`'${key}'`) || families.some((family) => key.startsWith(family)), `nobody says '${key}'`)
  }
})

test('every bundled pose is in one category and has a Chinese name', () => {
  assert.deepEqual(Object.values(CATEGORIES).flat().sort(), POSES.toSorted())
  assert.deepEqual(Object.keys(TEXTS.zh).filter(isPose).sort(), POSES.map((name) => `pose.${name}`).sort())
  for (const category of Object.keys(CATEGORIES)) assert.ok(`gallery.${category}` in TEXTS.en)
})

test('every joint has a Chinese name, and in English its own', () => {
  assert.deepEqual(Object.keys(TEXTS.zh).filter(isJoint), JOINT_NAMES.map((name) => `name.${name}`))
  assert.deepEqual(JOINT_NAMES.map((_, joint) => jointName(joint)), JOINT_NAMES)
})

test('no two poses are called the same, in either language', () => {
  for (const language of ['en', 'zh']) {
    speak(language)
    assert.equal(new Set(POSES.map(poseName)).size, POSES.length)
  }
})

test('a language that is none of ours is spoken to in English', () => {
  speak('zh')
  assert.equal(said('frame', { number: 2, count: 3 }), '第 2 帧，共 3 帧')
  assert.equal(poseTitle('walking_front'), '走路，正面')
  speak('fr')
  assert.equal(said('frame', { number: 2, count: 3 }), 'Frame 2 of 3')
  assert.equal(poseTitle('standing_three_quarter_left'), 'Standing three quarter left')
  assert.equal(poseTitle('my poses/dance/step_00001'), 'dance/step_00001')
})
