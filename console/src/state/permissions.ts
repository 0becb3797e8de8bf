/** The server's rule of what a set of permission patterns grants; the server decides, this only hides. */

function matches(pattern: string, code: string): boolean {
  const wanted = pattern.split('.')
  const given = code.split('.')
  for (const [i, part] of wanted.entries()) {
    if (part === '*' && i === wanted.length - 1) return given.length > i
    if (i >= given.length || (part !== '*' && part !== given[i])) return false
  }
  return wanted.length === given.length
}

/** `*` is any segment, a last `*` all that follow; a pattern that begins with `!` takes away and wins. */
export function permits(patterns: readonly string[], code: string): boolean {
  if (patterns.some((p) => p.startsWith('!') && matches(p.slice(1), code))) return false
  return patterns.some((p) => matches(p, code))
}
