// Makes a page of what comes of a chapter, and shows how far it is. Without it a chapter comes by reloading the page.
/** Makes paragraphs of pieces of text; a paragraph that is finished is told to the others, and never changes again. */
export class Writer {
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

export class Progress {
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
