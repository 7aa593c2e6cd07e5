// Brings a chapter onto the page while it is being told. Without it the page asks for itself again every few seconds.
import { Connection } from "./connection.js"

const QUIET_MS = 60_000
const KINDER = "This part is told another way, so that it stays kind."

export function attach(story) {
  const { stream, cursor } = story.dataset
  if (!stream) return
  const text = story.querySelector("[data-text]")
  story.querySelector(".story__plain")?.remove()
  const writer = new Writer(text)
  const progress = new Progress(story.querySelector("[data-progress]"))
  const over = (outcome) => {
    writer.finish()
    progress.hide()
    story.dispatchEvent(new CustomEvent("story:told", { detail: outcome }))
    bringWhatComesNext(story)
  }
  const take = ({ data }) => {
    const event = read(data)
    if (event.type === "stream" && event.verdict !== "exact") writer.restart()
    else if (event.type === "content") writer.add(event.chunk)
    else if (event.type === "metadata") entitle(story, event)
    else if (event.type === "progress") progress.show(event.progress)
    else if (event.type === "safety_check" && event.status === "rejected") writer.note(KINDER)
    else if (event.type === "complete" || event.type === "error") {
      over(event.type)
      return true
    }
    return false
  }
  const connection = new Connection(withCursor(stream, cursor), take, {
    onState: (state) => progress.isAway(state === "reconnecting"),
    // What is kept of it is shown by the page itself.
    onFail: () => over("lost"),
  }, { quietMs: QUIET_MS, attempts: 8 })
  connection.open()
  addEventListener("pagehide", () => connection.close(), { once: true })
  addEventListener("online", () => connection.again())
}

function withCursor(stream, cursor) {
  return cursor ? `${stream}?last_event_id=${encodeURIComponent(cursor)}` : stream
}

function read(data) {
  try {
    return JSON.parse(data)
  } catch {
    return {} // A frame that was spoilt on its way: the next ones still count.
  }
}

/** The chapter's title is known when it has been told. */
function entitle(story, { title }) {
  const heading = story.querySelector("h1")
  if (title && !heading.textContent.includes(title)) heading.textContent += `: ${title}`
}

/** Makes paragraphs of pieces of text; a paragraph that is finished is told to the others, and never changes again. */
class Writer {
  #text
  #rest = ""

  constructor(text) {
    this.#text = text
    // What the page brought along may end in mid-paragraph.
    this.#rest = text.dataset.rest ?? ""
  }

  restart() {
    this.#text.replaceChildren()
    this.#rest = ""
  }

  add(chunk) {
    const parts = (this.#rest + chunk).split(/\n{2,}/)
    this.#rest = parts.pop()
    parts.forEach((part) => this.#paragraph(part))
  }

  finish() {
    this.#paragraph(this.#rest)
    this.#rest = ""
  }

  note(words) {
    this.#append("story__note", words)
  }

  #paragraph(words) {
    if (words.trim()) this.#append("story__p", words.trim()).setAttribute("data-p", "")
  }

  #append(name, words) {
    const element = Object.assign(document.createElement("p"), { className: name, textContent: words })
    this.#text.append(element)
    return element
  }
}

class Progress {
  #box
  #bar
  #words

  constructor(box) {
    this.#box = box
    this.#bar = box?.querySelector("progress")
    this.#words = box?.querySelector("[data-progress-words]")
  }

  show({ description, percent }) {
    if (!this.#box) return
    this.#box.hidden = false
    if (Number.isFinite(percent)) this.#bar.value = Math.max(this.#bar.value, percent)
    if (description && this.#words.textContent !== description) this.#words.textContent = description
  }

  isAway(isAway) {
    this.#box?.classList.toggle("telling--away", isAway)
  }

  hide() {
    if (this.#box) this.#box.hidden = true
  }
}

/** The buttons below the story, as the site makes them. */
async function bringWhatComesNext(story) {
  const next = document.getElementById("next")
  const response = await fetch(next.dataset.url, { headers: { Accept: "text/html", "HX-Request": "true" } }).catch(() => null)
  if (!response?.ok) return location.reload()
  const made = new DOMParser().parseFromString(await response.text(), "text/html")
  next.replaceChildren(...made.body.children)
  next.dispatchEvent(new CustomEvent("story:next", { bubbles: true }))
}
