/** Writes workflows/api/ from workflows/, by the real page. Nodes of other packs, which are not there, stay as they were. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'

import { openPage, startBrowser } from './page.mjs'
import { startServer } from './server.mjs'

const WORKFLOWS = new URL('../../workflows/', import.meta.url)
const server = await startServer()
const browser = await startBrowser()
try {
  const { page } = await openPage(browser, server)
  for (const name of readdirSync(WORKFLOWS).filter((file) => file.endsWith('.json'))) {
    const workflow = JSON.parse(readFileSync(new URL(name, WORKFLOWS)))
    const file = new URL(`api/${workflow.extra.api}.json`, WORKFLOWS)
    const { prompt, absent } = await page.evaluate(async (workflow) => {
      await window.app.loadGraphData(workflow)
      const absent = window.app.graph.nodes.filter(({ type }) => !(type in window.LiteGraph.registered_node_types))
      return { prompt: (await window.app.graphToPrompt()).output, absent: absent.map(({ id }) => String(id)) }
    }, workflow)
    const former = absent.length ? JSON.parse(readFileSync(file)) : {}
    const twin = Object.fromEntries(
      Object.entries(prompt).map(([id, { class_type, inputs, _meta }]) => [id, absent.includes(id) ? former[id] : { class_type, inputs, _meta }])
    )
    const links = /\[\s+("\d+"),\s+(\d+)\s+\]/g // on one line each
    writeFileSync(file, JSON.stringify(twin, null, 2).replace(links, '[$1, $2]') + '\n')
  }
} finally {
  await browser.close()
  await server.stop()
}
