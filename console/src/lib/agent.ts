/** A browser and its system out of what it calls itself; the beginning of that text when neither is known. */

const BROWSERS: [RegExp, string][] = [
  [/Edg\/(\d+)/, 'Edge'], [/Firefox\/(\d+)/, 'Firefox'], [/Chrome\/(\d+)/, 'Chrome'], [/Version\/(\d+).*Safari/, 'Safari'],
]
const SYSTEMS: [RegExp, string][] = [
  [/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Windows/, 'Windows'], [/Mac OS X/, 'macOS'], [/Linux|X11/, 'Linux'],
]
const SHORT = 40

export function agent(said: string): string {
  const browser = BROWSERS.map(([rule, name]) => ({ name, found: rule.exec(said) })).find((b) => b.found)
  const system = SYSTEMS.find(([rule]) => rule.test(said))?.[1]
  const parts = [browser && `${browser.name} ${browser.found?.[1]}`, system].filter(Boolean)
  return parts.join(' · ') || said.slice(0, SHORT)
}
