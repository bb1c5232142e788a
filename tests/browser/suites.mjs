/** Suites in the real page: with a host and a browser of their own, and in each of the page's renderers. */
import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'

import { missingBrowser, openPage, startBrowser } from './page.mjs'
import { PAGE, missingHost, saveSettings, startServer } from './server.mjs'

const missing = missingHost() || (await missingBrowser())

/** Describes what suite(real) holds; real is {server, browser}, there once its tests run. Skipped where either is missing. */
export function describeInPage(title, suite) {
  describe(`${title}, in ${PAGE}`, { skip: missing || false, timeout: 1_800_000 }, () => {
    const real = {}
    before(async () => {
      real.server = await startServer()
      real.browser = await startBrowser()
    })
    after(async () => {
      await real.browser?.close()
      await real.server?.stop()
    })
    suite(real)
  })
}

/**
 * Describes suite(opened, isVue) in the classic renderer and in Nodes 2.0; opened is what `openPage` gives, there once its
 * tests run. What goes wrong in the page itself fails the suite.
 */
export function inEachRenderer(real, suite, { settings = {}, screen = {} } = {}) {
  for (const [renderer, isVue] of [['classic canvas', false], ['Nodes 2.0', true]]) {
    describe(renderer, () => {
      const opened = {}
      before(async () => {
        await saveSettings(real.server.address, { 'Comfy.VueNodes.Enabled': isVue, ...settings })
        Object.assign(opened, await openPage(real.browser, real.server, screen))
      })
      after(async () => {
        await opened.page?.context().close()
        assert.deepEqual(opened.errors, [])
      })
      suite(opened, isVue)
    })
  }
}
