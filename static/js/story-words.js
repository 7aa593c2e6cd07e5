// Tells what a word means that is tapped, or chosen by the arrow keys and Enter. Without it words are only read.
import { ask } from "./request.js"

const WORD = /\p{L}[\p{L}\p{M}]*(?:['’-][\p{L}\p{M}]+)*/gu
const STEPS = { ArrowRight: 1, ArrowLeft: -1 }

/** The words of a paragraph as elements of their own, each with its place in the text (`data-at`). */
export function split(paragraph) {
  if (paragraph.dataset.split !== undefined) return
  paragraph.dataset.split = ""
  const text = paragraph.textContent
  const parts = []
  let end = 0
  for (const found of text.matchAll(WORD)) {
    const word = Object.assign(document.createElement("span"), { className: "w", textContent: found[0], tabIndex: -1 })
    word.dataset.at = found.index
    parts.push(text.slice(end, found.index), word)
    end = found.index + found[0].length
  }
  paragraph.replaceChildren(...parts, text.slice(end))
}

export function attach(story) {
  const text = story.querySelector("[data-text]")
  const card = new Card(document.getElementById("meaning"))
  const splitAll = () => {
    text.querySelectorAll("[data-p]").forEach(split)
    // One stop for the Tab key, however many words there are.
    if (!text.querySelector(".w[tabindex='0']")) text.querySelector(".w")?.setAttribute("tabindex", "0")
  }
  splitAll()
  new MutationObserver(splitAll).observe(text, { childList: true })

  text.addEventListener("click", ({ target }) => {
    const word = target.closest(".w")
    if (word && String(getSelection()) === "") card.show(word)
  })
  text.addEventListener("keydown", (event) => {
    const word = event.target.closest(".w")
    if (!word) return
    if (event.key === "Enter" || event.key === " ") card.show(word)
    else if (event.key in STEPS) step(text, word, STEPS[event.key])
    else return
    event.preventDefault()
  })
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") card.hide() })
  document.addEventListener("click", ({ target }) => {
    if (!target.closest(".w") && !target.closest("#meaning")) card.hide()
  })
}

function step(text, word, by) {
  const all = [...text.querySelectorAll(".w")].filter((one) => one.offsetParent !== null)
  const to = all[all.indexOf(word) + by]
  if (!to) return
  word.tabIndex = -1
  to.tabIndex = 0
  to.focus()
}

class Card {
  #box
  #word = null

  constructor(box) {
    this.#box = box
    box.querySelector("[data-close]").addEventListener("click", () => this.hide({ isLeft: true }))
  }

  async show(word) {
    this.hide()
    this.#word = word
    word.classList.add("w--asked")
    this.#say(word.textContent, "…")
    this.#box.hidden = false
    const isBehind = word.getBoundingClientRect().bottom > this.#box.getBoundingClientRect().top
    if (isBehind) word.scrollIntoView({ block: "start", behavior: "instant" })
    const words = await meaningOf(word.textContent)
    // Another word may have been tapped meanwhile.
    if (this.#word === word) this.#say(word.textContent, words)
  }

  hide({ isLeft = false } = {}) {
    if (!this.#word) return
    this.#word.classList.remove("w--asked")
    if (isLeft) this.#word.focus()
    this.#word = null
    this.#box.hidden = true
  }

  #say(word, meaning) {
    this.#box.querySelector("[data-word]").textContent = word
    this.#box.querySelector("[data-meaning]").textContent = meaning
  }
}

async function meaningOf(word) {
  try {
    const { meaning } = await ask("POST", `/stories/words/${encodeURIComponent(word)}`)
    return meaning
  } catch ({ problem }) {
    return problem?.message ?? "The words are away for a moment. Try again soon."
  }
}
