// Says a story and marks the word that is being said. Without it nothing is read aloud.
import { split } from "./story-words.js"

const TERMS = /[^.!?…]+(?:[.!?…]+["'”’)\]]*\s*|$)/g

/** Says one sentence after the other: engines cut off longer ones, and pausing within one does not work everywhere. */
export class Reader {
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
    const goOn = () => { if (this.isReading && !this.current) this.#say() }
    new MutationObserver(goOn).observe(this.text, { childList: true })
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
    // Some engines drop what they are told to say right after this.
    if (this.current) this.synthesis.cancel()
    this.current = null
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
      this.current = null
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
  const found = [...text.matchAll(TERMS)].map((match) => ({ start: match.index, text: match[0] }))
  return found.filter((sentence) => sentence.text.trim())
}

/** The words that begin from one place of a paragraph's text up to another. */
function wordsIn(paragraph, from, to) {
  const isWithin = ({ dataset: { at } }) => Number(at) >= from && Number(at) < to
  return [...paragraph.querySelectorAll(".w")].filter(isWithin)
}
