/** What the stage and its session say, by key; {words} in braces are filled in. */
const TEXTS = {
  'zoom': 'Zoom',
  'zoom.in': 'Zoom in (+)',
  'zoom.out': 'Zoom out (−)',
  'zoom.fit': 'Show the whole canvas (0)',
  'tool.joints': 'Drag moves joints, and swings limbs by their bones',
  'tool.limbs': 'Drag moves a joint with all that hangs on it',
  'tool.figure': 'Drag moves, turns, scales the figure; the lower ring turns it in space',
  'joint.toggle': 'Hide or show the selected joint (H)',
  'people': 'People',
  'person': 'Person {number} of {count}',
  'person.add': 'Add a person',
  'person.delete': 'Delete the person',
  'person.chosen': 'Person {number} of {count}: this one is CFLD\'s',
  'person.added': 'Person {number} added',
  'person.deleted': 'Person deleted, {count} left',
  'detect': 'Find the people in the picture to trace',
  'detect.busy': 'Looking for people in the picture…',
  'detect.found': 'People found in the picture: {count}',
  'detect.nobody': 'Nobody was found in the picture. Try one in which the person is larger.',
  'lifter.missing': 'Figures cannot be turned in space: {error}',
  'figure.moved': 'Figure moved',
  'figure.rotated': 'Figure turned',
  'figure.scaled': 'Figure scaled',
  'figure.mirrored': 'Figure mirrored',
  'figure.turned': 'Turned in space by {angle}°',
  'figure.above': 'Seen from {tilt}° above',
  'figure.below': 'Seen from {tilt}° below'
}

/** The text of a key, with its words filled in. */
export function said(key, words = {}) {
  return TEXTS[key].replace(/\{(\w+)\}/g, (_, word) => words[word])
}
