/**
 * The small network that says how deep each joint of a pose lies: the twin of cfld_modules/poses/lifting.py, which
 * explains it, run from the same file.
 */

const EXPONENT_BIAS = 15
const FRACTION = 1024

/** The bytes of lifter.safetensors -> {name: {shape, values}}; all of it is float16. */
export function readSafetensors(buffer) {
  const view = new DataView(buffer)
  const headerSize = Number(view.getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, headerSize)))
  const tensors = Object.entries(header).filter(([name]) => name !== '__metadata__')
  return Object.fromEntries(
    tensors.map(([name, { dtype, shape, data_offsets: [start, end] }]) => {
      if (dtype !== 'F16') throw new Error(`${name} is ${dtype}, not F16`)
      const values = Float32Array.from({ length: (end - start) / 2 }, (_, index) =>
        toNumber(view.getUint16(8 + headerSize + start + 2 * index, true))
      )
      return [name, { shape, values }]
    })
  )
}

/** Tensors of `readSafetensors` -> the lifter, a function: pose with a visible joint -> 18 times [x, y, z]. */
export function createLifter(tensors) {
  const count = Object.keys(tensors).filter((name) => name.endsWith('.0.bias')).length
  const layer = (name, input) => linear(tensors[`${name}.weight`].values, tensors[`${name}.bias`].values, input)
  const blocks = Array.from({ length: count }, (_, block) => (hidden) =>
    rectified(layer(`blocks.${block}.2`, rectified(layer(`blocks.${block}.0`, hidden))))
  )
  return (pose) => {
    const there = pose.filter(Boolean)
    const centre = [0, 1].map((axis) => there.reduce((sum, point) => sum + point[axis], 0) / there.length)
    const offsets = pose.map((point) => (point ? [point[0] - centre[0], point[1] - centre[1]] : [0, 0]))
    const spread = offsets.reduce((sum, [x, y]) => sum + x * x + y * y, 0) / there.length
    const size = Math.max(Math.sqrt(spread), 1e-6)
    const input = offsets.flatMap(([x, y], joint) => [x / size, y / size, pose[joint] ? 1 : 0])
    let hidden = rectified(layer('first', input))
    for (const block of blocks) {
      const added = block(hidden)
      hidden = hidden.map((number, index) => number + added[index])
    }
    const lifted = layer('last', hidden)
    const depths = pose.map((_, joint) => lifted[joint * 3 + 2] * size)
    const depth = depths.reduce((sum, z, joint) => sum + (pose[joint] ? z : 0), 0) / there.length
    return pose.map((point, joint) => {
      const [x, y] = point ?? [0, 1].map((axis) => centre[axis] + lifted[joint * 3 + axis] * size)
      return [x, y, depths[joint] - depth]
    })
  }
}

function linear(weight, bias, input) {
  return Array.from(bias, (start, row) => {
    let sum = start
    for (let column = 0; column < input.length; column++) sum += weight[row * input.length + column] * input[column]
    return sum
  })
}

const rectified = (numbers) => numbers.map((number) => Math.max(number, 0))

/** The 16 bits of a half-precision number -> the number. */
function toNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = (bits & 0x3ff) / FRACTION
  if (exponent === 0) return sign * 2 ** (1 - EXPONENT_BIAS) * fraction
  return sign * 2 ** (exponent - EXPONENT_BIAS) * (1 + fraction)
}
