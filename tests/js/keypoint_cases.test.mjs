/** The cases that both readers, this and the Python one, must agree on. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { PoseError, decodePoses } from '../../web/js/pose_editor/openpose_json.js'

const { cases } = JSON.parse(readFileSync(new URL('../data/keypoint_cases.json', import.meta.url)))

for (const { name, value, text = JSON.stringify(value), points, error } of cases) {
  test(name, () => {
    if (error) {
      assert.throws(() => decodePoses(text), (raised) => raised instanceof PoseError && raised.message.includes(error))
      return
    }
    const decoded = decodePoses(text).map(({ pose }) => pose.map((point) => point?.map((one) => Number(one.toFixed(6))) ?? null))
    assert.deepEqual(decoded, points)
  })
}
