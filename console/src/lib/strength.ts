/** How strong a password looks: length 30, upper case 20, digit 20, other signs 30 of 100. */

export type Strength = 'weak' | 'fair' | 'good' | 'strong'

const LONG = 8

export function score(password: string): number {
  return (
    (password.length >= LONG ? 30 : 0) + (/\p{Lu}/u.test(password) ? 20 : 0) + (/\d/.test(password) ? 20 : 0) +
    (/[^\p{L}\d\s]/u.test(password) ? 30 : 0)
  )
}

export function strength(points: number): Strength {
  if (points >= 100) return 'strong'
  if (points >= 70) return 'good'
  return points >= 40 ? 'fair' : 'weak'
}
