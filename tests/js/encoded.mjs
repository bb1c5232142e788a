/** Canonical JSON text for the tests. */
import { encodeFrames } from '../../web/js/pose_editor/openpose_json.js'
import { alone } from '../../web/js/pose_editor/people.js'

/** Frames of one person each, given as poses. */
export const encodePoses = (poses, canvas) => encodeFrames(poses.map(alone), canvas)
