/** Undo and redo over plain values: {past, present, future}, oldest first; future holds what was undone last, first. */
const LONGEST = 200

export const startHistory = (present) => ({ past: [], present, future: [] })

/** The history with a new present. */
export function record(history, present) {
  return { past: [...history.past, history.present].slice(-LONGEST), present, future: [] }
}

/** The history with its present exchanged, as if the step that led to it had led here. */
export const amend = (history, present) => ({ ...history, present, future: [] })

export function undo(history) {
  const { past, present, future } = history
  if (!past.length) return history
  return { past: past.slice(0, -1), present: past.at(-1), future: [present, ...future] }
}

export function redo(history) {
  const { past, present, future } = history
  if (!future.length) return history
  return { past: [...past, present], present: future[0], future: future.slice(1) }
}
