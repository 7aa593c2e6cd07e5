// Events that wait while a reader pauses. Without it a pause would lose them, or grow with every word.
export class HeldBack {
  #events = []

  /** However long the pause is: texts are joined, and of progress the last counts. */
  add(name, data) {
    const same = this.#events.findLast(([held]) => held === name || held === "stream")
    if (same?.[0] === name && name === "content") same[1] = { ...data, chunk: same[1].chunk + data.chunk }
    else if (same?.[0] === name && name === "progress") same[1] = data
    else this.#events.push([name, data])
  }

  /** All that waited, in its order. */
  takeAll() {
    return this.#events.splice(0)
  }
}
