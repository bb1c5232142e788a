/** The editor's gallery and the user's own poses, which Load Pose shares; what the editor gives out and takes in. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'

import { STANDING } from '../../web/js/pose_editor/skeleton.js'
import {
  EDITOR, STAGE, addEditor, clickAction, colourOf, drag, eventually, freshEditor, posesIn, press, promptInputs, promptPoses,
  storedText, undoGraph
} from './editor.mjs'
import { openEmptyGraph, openPage } from './page.mjs'
import { putInput, saveSettings } from './server.mjs'
import { describeInPage, inEachRenderer } from './suites.mjs'

const R_WRIST = 4
const TARGET = [60, 180]
const BUNDLED = new URL('../../web/poses/', import.meta.url)
const { cases } = JSON.parse(readFileSync(new URL('../data/keypoint_cases.json', import.meta.url)))
const caseOf = (wanted) => cases.find(({ name }) => name === wanted)

const bundled = (name) => posesIn(readFileSync(new URL(`${name}.json`, BUNDLED), 'utf8'))
const titles = (page) =>
  page.locator(`${EDITOR} .tile:visible`).evaluateAll((tiles) => tiles.map((tile) => tile.querySelector('span').innerText))
const problem = (page) => page.locator(`${EDITOR} [role=alert]`)

/** Drops a file onto the stage, as from a folder. */
const drop = (page, text, name = 'pose.json') =>
  page.locator(STAGE).evaluate(
    (stage, { text, name }) => {
      const dataTransfer = new DataTransfer()
      dataTransfer.items.add(new File([text], name, { type: 'application/json' }))
      stage.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, composed: true, cancelable: true }))
    },
    { text, name }
  )

describeInPage('gallery', (real) => {
  const ownFolder = () => join(real.server.folder, 'user', 'default', 'cfld', 'poses')

  inEachRenderer(real, (opened, isVue) => {
    let page, id
    before(() => ({ page } = opened))

    const fresh = async () => {
      id = await freshEditor(page)
    }

    test('every bundled pose is there, its whole name to be read', async () => {
      rmSync(ownFolder(), { recursive: true, force: true }) // of the renderer before
      await fresh()
      await clickAction(page, 'presets')
      assert.equal((await titles(page)).length, readdirSync(BUNDLED).filter((name) => name.endsWith('.json')).length)
      const cut = await page.locator(`${EDITOR} .tile span`).evaluateAll((names) =>
        names.filter((name) => name.scrollWidth > name.clientWidth + 1).map((name) => name.innerText)
      )
      assert.deepEqual(cut, [])
    })

    test('search and category', async () => {
      await fresh()
      await clickAction(page, 'presets')
      await page.locator(`${EDITOR} [type=search]`).fill('three LEFT')
      assert.deepEqual(await titles(page), ['Standing three quarter left', 'Back three quarter left'])
      await press(page, 'Control+a', 'Control+c', 'Control+z') // of the text, not of the pose
      await page.locator(`${EDITOR} [type=search]`).fill('sitting')
      await page.locator(`${EDITOR} .sheet select`).selectOption({ label: 'Moving' })
      assert.deepEqual(await titles(page), [])
      await page.getByText('No pose is called that.').waitFor()
      assert.equal(await storedText(page, id), '')
    })

    test('a click takes a pose, its + adds it as a frame', async () => {
      await fresh()
      await clickAction(page, 'presets')
      await page.locator(`${EDITOR} [data-preset=arms_up]`).click()
      await eventually(async () => assert.deepEqual(await promptPoses(page, id), bundled('arms_up')))
      await clickAction(page, 'presets')
      await page.getByRole('button', { name: 'Add "Waving" as a new frame' }).click()
      await eventually(async () =>
        assert.deepEqual(await promptPoses(page, id), [...bundled('arms_up'), ...bundled('waving')])
      )
    })

    test('one of my own: saved, in the gallery and in Load Pose, not overwritten, deleted', async () => {
      const name = `dance/${isVue ? 'new' : 'classic'} step`
      await fresh()
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      await clickAction(page, 'save')
      await page.locator(`${EDITOR} .sheet [type=text]`).fill(name)
      await page.getByRole('button', { name: 'Keep among my poses' }).click()
      await eventually(() => assert.ok(readdirSync(join(ownFolder(), 'dance')).includes(`${name.slice(6)}.json`)))
      const saved = readFileSync(join(ownFolder(), `${name}.json`), 'utf8')
      assert.equal(saved, (await promptInputs(page, id)).pose_json)
      const offered = () =>
        page.evaluate(() => window.LiteGraph.registered_node_types.CFLDLoadPose.nodeData.input.required.pose[1].options)
      await eventually(async () => assert.ok((await offered()).includes(`my poses/${name}`)))

      await clickAction(page, 'save')
      await page.locator(`${EDITOR} .sheet [type=text]`).fill(name)
      await page.getByRole('button', { name: 'Keep among my poses' }).click()
      await eventually(async () => assert.match(await problem(page).innerText(), /There is a pose .* already/))
      await page.locator(`${EDITOR} .sheet [type=text]`).fill('../pose')
      assert.ok(await problem(page).isHidden(), 'the name was changed')
      await page.getByRole('button', { name: 'Keep among my poses' }).click()
      await eventually(async () => assert.match(await problem(page).innerText(), /is no name for a file/))

      await clickAction(page, 'presets')
      assert.ok(await problem(page).isHidden())
      const tile = page.locator(`${EDITOR} [data-preset="my poses/${name}"]`)
      const at = [TARGET[0] / 2, TARGET[1] / 2] // of the thumbnail, half as large
      await eventually(async () =>
        assert.equal(
          await tile.locator('canvas').evaluate((canvas, [x, y]) => {
            const [r, g, b] = canvas.getContext('2d').getImageData(x, y, 1, 1).data
            return `rgb(${r},${g},${b})`
          }, at),
          colourOf(R_WRIST)
        )
      )
      const remove = page.getByRole('button', { name: `Delete "${name}"` })
      await remove.click()
      assert.ok(readdirSync(join(ownFolder(), 'dance')).includes(`${name.slice(6)}.json`), 'only asked so far')
      await remove.click()
      await eventually(() => assert.ok(!readdirSync(join(ownFolder(), 'dance')).includes(`${name.slice(6)}.json`)))
      await eventually(async () => assert.equal(await tile.count(), 0))
    })

    for (const [name, field] of [['presets', '[type=search]'], ['save', '[type=text]'], ['json', 'textarea']]) {
      test(`keys in the text field of ${name} are the field's, not the graph's`, async () => {
        await fresh()
        await drag(page, STANDING.pose[R_WRIST], TARGET)
        const before = await promptInputs(page, id)
        await clickAction(page, name)
        const input = page.locator(`${EDITOR} .sheet ${field}`)
        await page.evaluate((node) => {
          const { app } = window
          window.sameNode = app.graph.getNodeById(node)
          app.canvas.selectNode(window.sameNode)
        }, id)
        await input.fill('')
        await input.pressSequentially('mb')
        await press(page, 'Control+z', 'Control+z', 'Control+z', 'Control+Shift+z', 'Control+m', 'Control+b', 'Delete')
        await page.waitForTimeout(500) // the page undoes in its own time
        await input.pressSequentially('m')
        assert.match(await input.inputValue(), /m$/, 'it keeps the focus')
        assert.deepEqual(await promptInputs(page, id), before)
        const [isSame, mode] = await page.evaluate((node) => {
          const shown = window.app.graph.getNodeById(node)
          return [shown === window.sameNode, shown.mode]
        }, id)
        assert.deepEqual([isSame, mode], [true, 0])
      })
    }

    for (const [name, field, isLarge] of [
      ['presets', '[type=search]', false], ['save', '[type=text]', false], ['json', 'textarea', false],
      ['presets', '[type=search]', true], ['save', '[type=text]', true], ['json', 'textarea', true]
    ]) {
      test(`undo is the text's in the field of ${name}${isLarge ? ', large' : ''}, and the graph's again after it`, async () => {
        await fresh()
        await drag(page, STANDING.pose[R_WRIST], TARGET)
        const drawn = await storedText(page, id)
        if (isLarge) await clickAction(page, 'enlarge')
        await clickAction(page, name)
        const input = page.locator(`${EDITOR} .sheet ${field}`)
        const before = await input.inputValue()
        await page.evaluate((node) => void (window.sameNode = window.app.graph.getNodeById(node)), id)
        await input.press('End')
        await input.pressSequentially('mb')
        assert.notEqual(await input.inputValue(), before)
        for (let typed = 0; typed < 2; typed++) await press(page, 'Control+z')
        await page.waitForTimeout(500) // the page undoes in its own time
        assert.equal(await input.inputValue(), before, 'the typing is taken back')
        assert.ok(await page.evaluate((node) => window.sameNode === window.app.graph.getNodeById(node), id), 'the node is the same')
        assert.equal(await storedText(page, id), drawn)

        await page.locator(`${EDITOR} .sheet`).getByRole('button', { name: 'Close', exact: true }).click()
        if (isLarge) await clickAction(page, 'close')
        await undoGraph(page, 'Control+z')
        await eventually(async () => assert.equal(await storedText(page, id), ''))
      })
    }

    test('JSON and PNG files', async () => {
      await fresh()
      await drag(page, STANDING.pose[R_WRIST], TARGET)
      await clickAction(page, 'save')
      const download = async (label) => {
        const [file] = await Promise.all([
          page.waitForEvent('download'), page.getByRole('button', { name: label }).click()
        ])
        return [file.suggestedFilename(), readFileSync(await file.path())]
      }
      const [jsonName, json] = await download('JSON file')
      assert.deepEqual([jsonName, String(json)], ['pose.json', (await promptInputs(page, id)).pose_json])
      const [pictureName, picture] = await download('PNG picture')
      assert.equal(pictureName, 'pose.png')
      const seen = await page.evaluate(async ({ bytes, at: [x, y] }) => {
        const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)]))
        const canvas = new OffscreenCanvas(bitmap.width, bitmap.height)
        canvas.getContext('2d').drawImage(bitmap, 0, 0)
        const [r, g, b] = canvas.getContext('2d').getImageData(x, y, 1, 1).data
        return [bitmap.width, bitmap.height, `rgb(${r},${g},${b})`]
      }, { bytes: [...picture], at: TARGET })
      assert.deepEqual(seen, [352, 512, colourOf(R_WRIST)])
    })

    test("other editors' files are dropped onto it; what is none is refused until something else is done", async () => {
      await fresh()
      for (const name of ["an older editor's file", 'a Python value pasted as text', 'a collection of named poses']) {
        const { value, text = JSON.stringify(value), points } = caseOf(name)
        await drop(page, text)
        await eventually(async () => assert.deepEqual(await promptPoses(page, id), points, name))
      }
      const before = await promptInputs(page, id)
      await drop(page, 'a poem, and a long one, '.repeat(20))
      await eventually(async () => assert.match(await problem(page).innerText(), /not valid JSON/))
      const box = await problem(page).evaluate((element) => [element.scrollWidth - element.clientWidth, getComputedStyle(element).borderColor])
      assert.deepEqual(box, [0, 'rgb(229, 72, 77)'], 'it wraps, and is red')
      assert.deepEqual(await promptInputs(page, id), before)
      await page.locator(STAGE).focus()
      await press(page, 'm')
      assert.ok(await problem(page).isHidden())
    })

    test('Load Pose shows its pose: bundled, own, from the input folder; and says what cannot be read', async () => {
      mkdirSync(ownFolder(), { recursive: true })
      writeFileSync(join(ownFolder(), 'mine_00001.json'), readFileSync(new URL('waving.json', BUNDLED)))
      await putInput(real.server, 'given.json', readFileSync(new URL('jumping.json', BUNDLED)))
      await putInput(real.server, 'broken.json', '{')
      await openEmptyGraph(page)
      await page.evaluate(async () => {
        await window.app.reloadNodeDefs()
        const node = window.LiteGraph.createNode('CFLDLoadPose')
        node.pos = [300, 200]
        window.app.graph.add(node)
        window.app.canvas.ds.scale = 1
        window.app.canvas.ds.offset = [0, 0]
        window.app.canvas.setDirty(true, true)
        window.loadPose = node
      })
      const preview = page.locator('.cfld-pose-preview')
      const choose = (name) =>
        page.evaluate((name) => {
          const [choice] = window.loadPose.widgets
          choice.value = name
          choice.callback(name)
        }, name)
      /** The colour at a canvas pixel of a pose of 352 x 512. */
      const colourAt = ([x, y]) =>
        preview.locator('canvas').evaluate((picture, [x, y]) => {
          const scale = Math.min(picture.width / 352, picture.height / 512)
          const at = [picture.width / 2 + (x - 176) * scale, y * scale].map(Math.round)
          const [r, g, b] = picture.getContext('2d').getImageData(...at, 1, 1).data
          return `rgb(${r},${g},${b})`
        }, [x, y])
      for (const [name, file] of [['arms_up', 'arms_up'], ['my poses/mine_00001', 'waving'], ['given.json', 'jumping']]) {
        await choose(name)
        await eventually(async () => assert.equal(await colourAt(bundled(file)[0][R_WRIST]), colourOf(R_WRIST), name))
      }
      await choose('broken.json')
      await eventually(async () => assert.match(await preview.innerText(), /not valid JSON/))
      const { output } = await page.evaluate(() => window.app.graphToPrompt())
      assert.deepEqual(Object.values(output)[0].inputs, { pose: 'broken.json' })
      assert.deepEqual(await page.evaluate(() => window.loadPose.serialize().widgets_values), ['broken.json'])
    })
  }, { settings: { 'Comfy.Locale': 'en' } })

  test('the editor, its gallery and the help speak Chinese on a Chinese page', async () => {
    await saveSettings(real.server.address, { 'Comfy.VueNodes.Enabled': false, 'Comfy.Locale': 'zh' })
    const { page, errors } = await openPage(real.browser, real.server)
    const id = await addEditor(page)
    await clickAction(page, 'presets')
    await page.locator(`${EDITOR} [type=search]`).fill('四分之三 朝左')
    assert.deepEqual(await titles(page), ['站立，四分之三侧，朝左', '背面四分之三，朝左'])
    const english = await page.locator(`${EDITOR} [title], ${EDITOR} [aria-label]`).evaluateAll((elements) =>
      elements
        .flatMap((element) => [element.getAttribute('title'), element.getAttribute('aria-label')])
        .filter((label) => label && !/[\u4e00-\u9fff]/.test(label) && label !== 'OpenPose JSON')
    )
    assert.deepEqual(english, [])
    await page.evaluate((node) => window.app.canvas.selectNode(window.app.graph.getNodeById(node)), id)
    await page.locator('[data-testid="info-button"]').click()
    await page.locator('.node-help-content h1', { hasText: '姿态编辑器' }).waitFor()
    await page.context().close()
    assert.deepEqual(errors, [])
    await saveSettings(real.server.address, { 'Comfy.Locale': 'en' })
  })
})
