// Reads the story to the child with the voices of this device, and shows the word that is being said. Without it, or
// where there are no such voices, the story is read by eye.
import { split } from "./story-words.js"

const KEPT = "rill.story.voice"
const TERMS = /[^.!?…]+(?:[.!?…]+["'”’)\]]*\s*|$)/g

export function attach(story) {
  const tools = document.querySelector("[data-aloud]")
  const synthesis = globalThis.speechSynthesis
  if (!tools || !synthesis || !globalThis.SpeechSynthesisUtterance) return
  const voices = new Voices(tools, synthesis)
  const reader = new Reader(story, synthesis, voices)
  const play = tools.querySelector("[data-play]")
  reader.onState = (isReading) => {
    play.textContent = isReading ? play.dataset.wait : reader.isUnderWay ? play.dataset.goOn : play.dataset.begin
    play.setAttribute("aria-pressed", String(isReading))
  }
  play.addEventListener("click", () => (reader.isReading ? reader.pause() : reader.read()))
  story.addEventListener("story:told", () => reader.told())
  voices.onChange = () => { if (reader.isReading) reader.read() }
  addEventListener("pagehide", () => reader.pause())
  addEventListener("beforeunload", () => synthesis.cancel())
}

/** The voices that stay on this device: a child's story is sent to nobody. */
class Voices {
  onChange = () => {}

  constructor(tools, synthesis) {
    Object.assign(this, { tools, synthesis, select: tools.querySelector("[data-voice]"), speed: tools.querySelector("[data-speed]") })
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}")
    if (kept.speed) this.speed.value = kept.speed
    this.wanted = kept.voice
    this.#list()
    synthesis.addEventListener?.("voiceschanged", () => this.#list())
    for (const input of [this.select, this.speed]) input.addEventListener("change", () => this.#keep())
  }

  get voice() {
    return this.voices.find(({ voiceURI }) => voiceURI === this.select.value) ?? this.voices[0]
  }

  get rate() {
    return Number(this.speed.value) || 1
  }

  #list() {
    const own = this.synthesis.getVoices().filter(({ localService }) => localService)
    const english = own.filter(({ lang }) => /^en\b/i.test(lang))
    this.voices = english.length ? english : own
    this.tools.hidden = this.voices.length === 0
    const options = this.voices.map(({ name, voiceURI }) => new Option(name, voiceURI, false, voiceURI === this.wanted))
    this.select.replaceChildren(...options)
  }

  #keep() {
    this.wanted = this.select.value
    localStorage.setItem(KEPT, JSON.stringify({ voice: this.wanted, speed: this.speed.value }))
    this.onChange()
  }
}

/** Says one sentence after the other: engines cut off longer ones, and pausing within one does not work everywhere. */
class Reader {
  #paragraph = 0
  #sentence = 0
  #turn = 0
  #isTold
  #marked = []
  isReading = false
  isUnderWay = false
  onState = () => {}

  constructor(story, synthesis, voices) {
    Object.assign(this, { story, synthesis, voices, text: story.querySelector("[data-text]") })
    this.#isTold = !story.dataset.stream
    this.tellsWords = false
    new MutationObserver(() => { if (this.isReading && !this.current) this.#say() }).observe(this.text, { childList: true })
  }

  read() {
    this.isReading = this.isUnderWay = true
    this.onState(true)
    this.#say()
  }

  pause() {
    this.isReading = false
    this.#quiet()
    this.onState(false)
  }

  told() {
    this.#isTold = true
    if (this.isReading && !this.current) this.#say()
  }

  #quiet() {
    this.#turn += 1
    this.current = null
    this.synthesis.cancel()
    this.#mark([])
  }

  #say() {
    this.#quiet()
    const paragraph = this.text.querySelectorAll("[data-p]")[this.#paragraph]
    // More of the story is still to come.
    if (!paragraph) return this.#isTold ? this.#end() : undefined
    split(paragraph)
    const sentence = sentences(paragraph.textContent)[this.#sentence]
    if (!sentence) {
      this.#paragraph += 1
      this.#sentence = 0
      return this.#say()
    }
    this.story.dispatchEvent(new CustomEvent("story:read-to", { detail: paragraph }))
    this.#speak(paragraph, sentence)
  }

  #speak(paragraph, { start, text }) {
    const turn = this.#turn
    const spoken = (this.current = new SpeechSynthesisUtterance(text))
    const { voice, rate } = this.voices
    Object.assign(spoken, { voice, rate, lang: voice?.lang ?? "en" })
    const isOver = () => turn !== this.#turn
    spoken.onstart = () => {
      if (!isOver() && !this.tellsWords) this.#mark(wordsIn(paragraph, start, start + text.length))
    }
    spoken.onboundary = ({ name, charIndex }) => {
      if (isOver() || name === "sentence") return
      this.tellsWords = true
      this.#mark(wordsIn(paragraph, start, start + charIndex + 1).slice(-1))
    }
    spoken.onend = () => {
      if (isOver()) return
      this.#sentence += 1
      this.#say()
    }
    spoken.onerror = () => { if (!isOver()) this.pause() }
    this.synthesis.speak(spoken)
  }

  #end() {
    this.#paragraph = this.#sentence = 0
    this.isUnderWay = false
    this.pause()
  }

  #mark(words) {
    for (const word of this.#marked) word.classList.remove("w--said")
    for (const word of words) word.classList.add("w--said")
    if (words.length) words.at(-1).scrollIntoView({ block: "nearest", behavior: "instant" })
    this.#marked = words
  }
}

function sentences(text) {
  return [...text.matchAll(TERMS)].map((found) => ({ start: found.index, text: found[0] })).filter(({ text: words }) => words.trim())
}

/** The words that begin from one place of a paragraph's text up to another. */
function wordsIn(paragraph, from, to) {
  return [...paragraph.querySelectorAll(".w")].filter(({ dataset }) => Number(dataset.at) >= from && Number(dataset.at) < to)
}
