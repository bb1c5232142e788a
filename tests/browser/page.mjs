/** Opens ComfyUI's page in a headless Chromium. */
import { existsSync } from 'node:fs'

const BROWSER = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
const ARGUMENTS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'
]
/** Milliseconds for the page to load and for what is done in it, on a machine that has other work, too. */
const LOADING = 600_000
const PATIENCE = 120_000

/** Why no browser can be started here, in words; '' where one can. */
export async function missingBrowser() {
  if (!existsSync(BROWSER)) return `no browser: ${BROWSER} does not exist; set CHROMIUM_PATH`
  const isInstalled = await import('playwright-core').then(() => true, () => false)
  return isInstalled ? '' : 'playwright-core is not installed: npm install'
}

export async function startBrowser() {
  const { chromium } = await import('playwright-core')
  return chromium.launch({ executablePath: BROWSER, args: ARGUMENTS })
}

/**
 * ComfyUI's page, its graph ready and empty: {page, errors}. errors fills with what goes wrong in the page itself and
 * with console errors from the pack's own modules.
 */
export async function openPage(browser, server, { width = 1400, height = 1000, hasTouch = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, reducedMotion: 'reduce', hasTouch })
  const page = await context.newPage()
  const errors = []
  page.on('pageerror', (error) => errors.push(String(error.stack ?? error)))
  page.on('console', (message) => {
    const { url } = message.location()
    // The page asks for every help page in the user's language first, and takes the other where there is none.
    const isOurs = url.includes(`/extensions/${server.packName}/`) && !url.includes('/docs/')
    if (message.type() === 'error' && isOurs) errors.push(message.text())
  })
  page.setDefaultTimeout(LOADING)
  await page.goto(server.address)
  await page.waitForFunction(() => window.app?.graph && window.app.extensionManager && window.LiteGraph)
  await page.waitForFunction(() => Object.keys(window.LiteGraph.registered_node_types).length > 100)
  await page.waitForFunction(() => !document.querySelector('#splash-loader'))
  page.setDefaultTimeout(PATIENCE)
  await openEmptyGraph(page)
  return { page, errors }
}

export function openEmptyGraph(page) {
  return page.evaluate(() =>
    window.app.loadGraphData({
      id: crypto.randomUUID(), version: 0.4, last_node_id: 0, last_link_id: 0,
      nodes: [], links: [], groups: [], config: {}, extra: {}
    })
  )
}
