// Keeps what a tab needs that comes later: the frames that make the answer. Without it each would have to ask the site.
export class Kept {
  #frames = []

  /** isWhole: whether the frame holds the answer as it stands, as the first of every connection does. */
  take(frame, isWhole) {
    const parts = frame.event === "message" ? partsOf(frame.data) : new Map()
    if (isWhole) this.#frames = []
    else for (const kept of this.#frames.slice(1)) forget(kept.parts, parts)
    const isNeeded = ({ parts: left, frame: { event } }, place) => place === 0 || left.size > 0 || event !== "message"
    this.#frames = this.#frames.filter(isNeeded)
    this.#frames.push({ frame, parts })
  }

  /** To be shown in this order. */
  get frames() {
    return this.#frames.map(({ frame }) => frame)
  }
}

const REPLACES = new Set(["innerHTML", "innerMorph"])

/** Of each part of the page that a frame touches, how: name -> innerHTML, innerMorph, beforeend. */
function partsOf(html) {
  const template = document.createElement("template")
  template.innerHTML = html
  return new Map([...template.content.children].map((part) => [part.id, part.getAttribute("hx-swap-oob")]))
}

/** What a later frame replaces need not be shown first; what it adds to must be. */
function forget(parts, later) {
  for (const [name, swap] of later) if (REPLACES.has(swap) && REPLACES.has(parts.get(name))) parts.delete(name)
}
