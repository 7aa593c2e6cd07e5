// Fewer repaints for the todo agent's clients: the events of a moment together. docs/clients.md shows its use.

/** Gathers events for a moment: `batchSize` of them, or `batchTimeout` ms; deltas are joined, others come one by one. */
export class EventBatcher {
  #events = []
  #timer = null

  constructor(onEvent, { batchSize = 10, batchTimeout = 100 } = {}) {
    Object.assign(this, { onEvent, batchSize, batchTimeout })
  }

  push(event) {
    this.#events.push(event)
    if (this.#events.length >= this.batchSize || event.type === "history" || event.type === "error") this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), this.batchTimeout)
  }

  flush() {
    clearTimeout(this.#timer)
    const events = this.#events
    this.#timer = null
    this.#events = []
    let joined = ""
    const give = () => {
      if (joined) this.onEvent({ type: "message_delta", data: { content: joined } })
      joined = ""
    }
    for (const event of events) {
      if (event.type === "message_delta") joined += event.data.content
      else {
        give()
        this.onEvent(event)
      }
    }
    give()
  }
}
