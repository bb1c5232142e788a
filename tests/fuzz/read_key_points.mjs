/** Reads key points as the pose editor does: a file in base64 a line in, {frames} or {refused} a line out. */
import { createInterface } from 'node:readline'

import { PoseError, decodePoses, decodeText } from '../../web/js/pose_editor/openpose_json.js'

function read(file) {
  const bytes = Uint8Array.from(Buffer.from(file, 'base64'))
  try {
    return { frames: decodePoses(decodeText(bytes.buffer)) }
  } catch (error) {
    if (!(error instanceof PoseError)) return { crashed: String(error.stack) }
    return { refused: error.message }
  }
}

for await (const line of createInterface({ input: process.stdin })) process.stdout.write(JSON.stringify(read(line)) + '\n')
