/** A token of a Python value as print shows it: a string in either quotes, a word or number, a bracket or comma. */
const TOKEN = /\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\w.+-]+|[[\](){},:])/sy
/** JSON has no word for the last three; no number is as large as what they become. */
const WORDS = { None: 'null', True: 'true', False: 'false', NaN: '1e999', Infinity: '1e999', '-Infinity': '-1e999' }
const BRACKETS = { '(': '[', ')': ']' }

/** The text of a Python list or dict -> the value; raises SyntaxError where it is none. */
export function parsePythonValue(text) {
  const tokens = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const token = TOKEN.exec(text)?.[1]
    if (token === undefined) throw new SyntaxError('no Python value')
    if (/^[\]})]/.test(token) && tokens.at(-1) === ',') tokens.pop()
    tokens.push(WORDS[token] ?? BRACKETS[token] ?? (token.startsWith("'") ? quoted(token) : token))
  }
  return JSON.parse(tokens.join(' '))
}

function quoted(token) {
  const inner = token.slice(1, -1).replace(/\\'|"/g, (found) => (found === '"' ? '\\"' : "'"))
  return `"${inner}"`
}
