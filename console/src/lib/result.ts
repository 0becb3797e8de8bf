/** What an action answered: worth showing when it is not simply the row that was changed. */

const SECRETS = new Set(['secret', 'key', 'token', 'api_key', 'password'])

export interface Line {
  name: string
  value: unknown
  /** Shown this once, and to be copied. */
  secret: boolean
}

const words = (name: string): string => name.replaceAll('_', ' ').replace(/^./, (c) => c.toUpperCase())
const isRow = (answer: object): boolean => 'id' in answer && 'revision' in answer

export const isSecret = (name: string, value: unknown): boolean => SECRETS.has(name) && typeof value === 'string' && value !== ''

/** The lines of an answer; none when there is nothing to tell. */
export function lines(answer: unknown): Line[] {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return []
  const told = Object.entries(answer).filter(([name, value]) => value !== null && (!isRow(answer) || isSecret(name, value)))
  return told.map(([name, value]) => ({ name: words(name), value, secret: isSecret(name, value) }))
}
