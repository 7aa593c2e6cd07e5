// Reads the story to the child with the voices of this device, and shows the word that is being said. Without it, or
// where there are no such voices, the story is read by eye.
import { Reader } from "./story-reader.js"
import { Voices } from "./story-voices.js"

export function attach(story) {
  const tools = document.querySelector("[data-aloud]")
  const synthesis = globalThis.speechSynthesis
  if (!tools || !synthesis || !globalThis.SpeechSynthesisUtterance) return
  const voices = new Voices(tools, synthesis)
  const reader = new Reader(story, synthesis, voices)
  const play = tools.querySelector("[data-play]")
  reader.onState = (isReading) => {
    const { wait, goOn, begin } = play.dataset
    play.textContent = isReading ? wait : reader.isUnderWay ? goOn : begin
    play.setAttribute("aria-pressed", String(isReading))
  }
  play.addEventListener("click", () => (reader.isReading ? reader.pause() : reader.read()))
  story.addEventListener("story:told", () => reader.told())
  voices.onChange = () => { if (reader.isReading) reader.read() }
  addEventListener("pagehide", () => reader.pause())
  addEventListener("beforeunload", () => synthesis.cancel())
}
