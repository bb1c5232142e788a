/** Which of the page's calls the library of poses makes; the real server answers them in tests/browser. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { PoseLibrary } from '../../web/js/pose_editor/pose_library.js'

test('a name that is no file on every system, or leaves the folder, is refused before the server is asked', async () => {
  const library = new PoseLibrary(null)
  for (const name of ['', ' ', '../pose', 'a//b', '/a', 'a/', 'a:b', 'a.', '.a', 'a*', 'x'.repeat(101)]) {
    await assert.rejects(library.save(name, '[]'), /is no name for a file/, name)
  }
})
