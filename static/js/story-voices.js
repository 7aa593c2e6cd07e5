// The voices of this device and how fast they speak, as they were chosen. Without it nobody could read aloud.
import { read, write } from "./browser-store.js"

const KEPT = "story.voice"

/** The voices that stay on this device: a child's story is sent to nobody. */
export class Voices {
  onChange = () => {}

  constructor(tools, synthesis) {
    Object.assign(this, { tools, synthesis })
    this.select = tools.querySelector("[data-voice]")
    this.speed = tools.querySelector("[data-speed]")
    const kept = read(KEPT)
    if (kept?.speed) this.speed.value = kept.speed
    this.wanted = kept?.voice
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
    write(KEPT, { voice: this.wanted, speed: this.speed.value })
    this.onChange()
  }
}
