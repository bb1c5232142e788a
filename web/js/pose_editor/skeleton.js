/** The 18 points in OpenPose COCO order. Right is the person's right: at smaller x in a front view. */
export const JOINT_NAMES = [
  'nose', 'neck',
  'right shoulder', 'right elbow', 'right wrist',
  'left shoulder', 'left elbow', 'left wrist',
  'right hip', 'right knee', 'right ankle',
  'left hip', 'left knee', 'left ankle',
  'right eye', 'left eye', 'right ear', 'left ear'
]

/** The 17 bones as [from, to], in the order in which they are drawn. */
export const BONES = [
  [1, 2], [1, 5], [2, 3], [3, 4], [5, 6], [6, 7], [1, 8], [8, 9], [9, 10], [1, 11], [11, 12], [12, 13],
  [1, 0], [0, 14], [14, 16], [0, 15], [15, 17]
]

/** Once around the colours; bone k has 0.6 times the colour of joint k. */
export const JOINT_COLOURS = JOINT_NAMES.map((_, joint) => `hsl(${20 * joint} 100% 50%)`)
export const BONE_COLOURS = BONES.map((_, bone) => `hsl(${20 * bone} 100% 30%)`)

/** Joint i of a mirrored person is joint MIRROR[i] of the person. */
export const MIRROR = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]

export const NOSE = 0
export const NECK = 1
export const SHOULDERS = [2, 5]
export const HIPS = [8, 11]
export const ANKLES = [10, 13]
export const FACE = [0, 14, 15, 16, 17]

/** The joint at the other end of the bone that leads to joint i; null for the neck, where the tree begins. */
export const PARENT = JOINT_NAMES.map((_, joint) => BONES.find(([, to]) => to === joint)?.[0] ?? null)

/** A joint and everything that hangs on it: the limb that follows when it is dragged as a whole. */
export function limb(joint) {
  const children = BONES.filter(([from]) => from === joint).map(([, to]) => to)
  return [joint, ...children.flatMap(limb)]
}

/** A standing figure, seen from the front: what an empty editor begins with. */
export const STANDING = {
  width: 352,
  height: 512,
  pose: [
    [176, 90], [176, 132],
    [138, 134], [126, 196], [118, 256],
    [214, 134], [226, 196], [234, 256],
    [153, 262], [150, 364], [148, 466],
    [199, 262], [202, 364], [204, 466],
    [167, 80], [185, 80], [154, 86], [198, 86]
  ]
}
