/** Starts the real ComfyUI with nothing but this checkout in its custom_nodes. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACK = fileURLToPath(new URL('../..', import.meta.url))
const HOST = process.env.COMFYUI_PATH ?? join(homedir(), 'comfy', 'ComfyUI')
export const PYTHON = process.env.COMFYUI_PYTHON ?? join(HOST, '.venv', 'bin', 'python')
/** An unpacked comfyui-frontend-package (its folder `static`) in place of the host's own page. */
const FRONTEND = process.env.COMFYUI_FRONTEND
export const PAGE = FRONTEND ? `the page of ${FRONTEND}` : "the host's own page"
const PATIENCE = 300_000

/** Why the host cannot be started here, in words; '' where it can. */
export function missingHost() {
  const missing = [join(HOST, 'main.py'), PYTHON, ...(FRONTEND ? [join(FRONTEND, 'index.html')] : [])].find((path) => !existsSync(path))
  return missing ? `no ComfyUI: ${missing} does not exist; set COMFYUI_PATH and COMFYUI_PYTHON` : ''
}

/**
 * A running host: {address, folder, packName, log(), stop()}. folder is its own base directory, gone after stop().
 * settings are the page's own, by name.
 */
export async function startServer(settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'cfld-host-'))
  const packName = 'comfyui-cfld'
  await mkdir(join(folder, 'custom_nodes'))
  await mkdir(join(folder, 'input'))
  await symlink(resolve(PACK), join(folder, 'custom_nodes', packName))
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const child = spawn(
    PYTHON,
    [
      join(HOST, 'main.py'), '--cpu', '--listen', '127.0.0.1', '--port', String(port), '--disable-auto-launch',
      '--disable-api-nodes', '--base-directory', folder, '--database-url', `sqlite:///${join(folder, 'comfyui.db')}`,
      '--use-pytorch-cross-attention', '--disable-all-custom-nodes', '--whitelist-custom-nodes', packName,
      ...(FRONTEND ? ['--front-end-root', FRONTEND] : [])
    ],
    { cwd: HOST, env: { ...process.env, OMP_WAIT_POLICY: 'PASSIVE' }, stdio: ['ignore', 'pipe', 'pipe'] }
  )
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (log += text))
  const stop = async () => {
    if (child.exitCode === null) {
      const ended = new Promise((done) => child.once('exit', done))
      child.kill('SIGKILL')
      await ended
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    await untilReady(address, child, () => log)
    if (log.includes('IMPORT FAILED')) throw new Error(`the pack failed to import:\n${log}`)
    await saveSettings(address, { 'Comfy.TutorialCompleted': true, ...settings })
  } catch (error) {
    await stop()
    throw error
  }
  return { address, folder, packName, log: () => log, stop }
}

export async function saveSettings(address, settings) {
  const answer = await fetch(`${address}/settings`, { method: 'POST', body: JSON.stringify(settings) })
  if (!answer.ok) throw new Error(`POST /settings: ${answer.status}`)
}

/** Puts a file into the host's own base folder; an empty one for what the page only lists. */
export async function putFile(server, path, content = '') {
  const file = join(server.folder, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
}

/** Puts a file into the host's input folder. */
export const putInput = (server, name, content) => putFile(server, join('input', name), content)

async function untilReady(address, child, log) {
  const end = Date.now() + PATIENCE
  while (Date.now() < end) {
    if (child.exitCode !== null) throw new Error(`the host ended with ${child.exitCode}:\n${log()}`)
    const answer = await fetch(`${address}/system_stats`).catch(() => null)
    if (answer?.ok) return
    await new Promise((done) => setTimeout(done, 250))
  }
  throw new Error(`the host is not ready after ${PATIENCE / 1000} s:\n${log()}`)
}

function freePort() {
  return new Promise((done, failed) => {
    const server = createServer().once('error', failed)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => done(port))
    })
  })
}
