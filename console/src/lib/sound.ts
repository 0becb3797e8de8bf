/** The tone of a critical alarm; a person may switch it off at his desk. */
import { stored } from './stored'

export const sound = stored('sound', true)

const HIGH = 880
const LOW = 660
const LENGTH = 0.18
const LOUDNESS = 0.15
let audio: AudioContext | null = null

/** Two short tones; silent where the browser allows no sound before a first click. */
export function chime(): void {
  if (!sound.value || typeof AudioContext === 'undefined') return
  audio ??= new AudioContext()
  if (audio.state === 'suspended') return void audio.resume().catch(() => undefined)
  for (const [n, frequency] of [HIGH, LOW].entries()) {
    const tone = audio.createOscillator()
    const gain = audio.createGain()
    gain.gain.value = LOUDNESS
    tone.frequency.value = frequency
    tone.connect(gain).connect(audio.destination)
    tone.start(audio.currentTime + n * LENGTH)
    tone.stop(audio.currentTime + (n + 1) * LENGTH)
  }
}
