// What the leading tab does: it holds the connection, shows what comes and tells the other tabs. Without it each tab
// would have a connection of its own.
import { Connection } from "./connection.js"
import { Kept } from "./kept.js"

const HEARTBEATS = 3 // a connection that is silent for longer than so many is lost

export class Lead {
  #kept = new Kept()
  #isFresh = true // the first frame of a connection is the whole answer
  #quit = null
  isOver = false
  isOpen = true
  count = 0

  /** term: tells this leader's frames from another's. on: {onTell(message), onFrame(frame), onState(isOpen), onFail()}. */
  constructor(url, headers, term, on) {
    Object.assign(this, { term, on })
    const quietMs = HEARTBEATS * 1000 * Number(document.body.dataset.heartbeat || 15)
    const told = { onState: (state) => this.#turn(state), onFail: () => on.onFail() }
    this.connection = new Connection(url, (frame) => this.#take(frame), told, { headers, attempts: Infinity, quietMs })
  }

  /** Ends with the stream, or when it is closed. */
  async open() {
    const again = () => this.connection.again()
    window.addEventListener("online", again)
    // Not to wait for the network when the page is about to be frozen.
    await Promise.race([this.connection.open(), new Promise((resolve) => { this.#quit = resolve })])
    window.removeEventListener("online", again)
  }

  close() {
    this.connection.close()
    this.#quit?.()
  }

  /** All that a newcomer needs. */
  snapshot() {
    return { kind: "snapshot", term: this.term, count: this.count, isOpen: this.isOpen, frames: this.#kept.frames }
  }

  #take({ id, event, data }) {
    const frame = { id, event, data }
    this.count += 1
    this.#kept.take(frame, this.#isFresh)
    this.on.onTell({ kind: "frame", term: this.term, count: this.count, isWhole: this.#isFresh, frame })
    this.#isFresh = false
    this.isOver = event === "close"
    this.on.onFrame(frame)
    return this.isOver
  }

  #turn(state) {
    if (state !== "open" && state !== "reconnecting") return
    const isOpen = state === "open"
    if (isOpen) this.#isFresh = true
    if (isOpen === this.isOpen) return
    this.isOpen = isOpen
    this.on.onTell({ kind: "state", term: this.term, isOpen })
    this.on.onState(isOpen)
  }
}
