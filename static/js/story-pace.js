// Shows paragraphs one after the other, each when the one before it has been read. Without it they come as they are told.
import { read, write } from "./browser-store.js"

const LEAST_MS = 1500
const KEPT = "story.shown"

export class Pace {
  #waiting = []
  #timer = null
  #isTold = false
  #shown = 0
  isPaused = false

  constructor(story, text, next) {
    Object.assign(this, { story, text, next })
    this.msPerWord = 60_000 / (Number(story.dataset.wordsPerMinute) || 110)
    // A reload does not make a child wait again for what has been shown.
    const kept = read(KEPT)
    this.before = kept?.of === story.dataset.reveal ? kept.count : 0
    this.#isTold = !story.dataset.stream
    next.hidden = true
    this.#take([...text.children])
    this.observer = new MutationObserver((changes) => this.#look(changes))
    this.observer.observe(text, { childList: true })
  }

  pause() {
    this.isPaused = true
    clearTimeout(this.#timer)
    this.#timer = null
  }

  goOn() {
    this.isPaused = false
    this.#showNext()
  }

  showAll() {
    this.pause()
    this.isPaused = false
    while (this.#waiting.length) this.#show(this.#waiting.shift())
    this.msPerWord = 0
    this.#end()
  }

  showUpTo(paragraph) {
    if (!this.#waiting.includes(paragraph)) return
    while (this.#waiting.length && paragraph.classList.contains("story__p--waiting")) this.#show(this.#waiting.shift())
    this.#end()
  }

  told() {
    this.#isTold = true
    this.#look(this.observer.takeRecords())
    this.#end()
  }

  #look(changes) {
    if (changes.some(({ removedNodes }) => removedNodes.length)) this.#again()
    this.#take(changes.flatMap(({ addedNodes }) => [...addedNodes]))
  }

  /** The chapter came anew from its beginning. */
  #again() {
    this.before = Math.max(this.before, this.#shown)
    this.#shown = 0
    this.#waiting = []
  }

  #take(nodes) {
    for (const node of nodes) {
      if (!(node instanceof HTMLElement) || node.parentElement !== this.text) continue
      node.classList.add("story__p--waiting")
      this.#waiting.push(node)
    }
    while (this.#shown < this.before && this.#waiting.length) this.#show(this.#waiting.shift())
    if (!this.#timer && !this.isPaused) this.#showNext()
  }

  /** Shows the next paragraph now, and the one after it when this one has been read. */
  #showNext() {
    clearTimeout(this.#timer)
    this.#timer = null
    const paragraph = this.#waiting.shift()
    if (!paragraph) return this.#end()
    this.#show(paragraph)
    const wait = this.msPerWord ? Math.max(LEAST_MS, this.msPerWord * paragraph.textContent.split(/\s+/).length) : 0
    this.#timer = setTimeout(() => {
      this.#timer = null
      if (!this.isPaused) this.#showNext()
    }, wait)
    this.#end()
  }

  #show(paragraph) {
    paragraph.classList.remove("story__p--waiting")
    this.#shown += 1
    write(KEPT, { of: this.story.dataset.reveal, count: this.#shown })
  }

  #end() {
    if (!this.#isTold || this.#waiting.length || !this.next.hidden) return
    this.next.hidden = false
    this.story.dispatchEvent(new CustomEvent("story:shown"))
  }
}
