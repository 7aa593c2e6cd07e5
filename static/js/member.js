// A tab's part in a connection that several tabs share: one leads, the others are told. Without it nobody would take
// over from a tab that is closed or frozen.
import { Lead } from "./lead.js"

const PROBE_MS = 1000
const SILENT_PROBES = 5 // a leader that answers none of so many is frozen
const LINGER_MS = 500 // the others hear of the end before the lead falls to them
const HEAR_MS = 50

export class Member {
  #channel = null
  #timer = null
  #seat = null // the wait for the lead, or the lead
  #lead = null
  #term = 0 // whose frames are shown
  #count = 0 // how many of them
  #unanswered = 0

  /** on: {onFrame(frame), onState(isOpen), onFail()}. */
  constructor(url, headers, on) {
    Object.assign(this, { url, headers, on, name: `rill.stream ${url}`, id: crypto.randomUUID() })
  }

  join() {
    this.#channel = new BroadcastChannel(this.name)
    this.#channel.onmessage = ({ data }) => this.#hear(data)
    this.#timer = setInterval(() => this.#probe(), PROBE_MS)
    this.#unanswered = 0
    this.#say({ kind: "hello", from: this.id })
    this.#queue()
  }

  /** Somebody else leads on. May join again. */
  leave() {
    this.#rest()
    if (!this.#lead) this.#channel.close()
    else if (!this.#lead.isOver) {
      this.#lead.close()
      this.#lead = null
    }
  }

  /** Wants the lead no more. */
  #rest() {
    clearInterval(this.#timer)
    this.#seat?.abort()
    this.#seat = null
  }

  #say(message) {
    this.#channel.postMessage(message)
  }

  #queue({ steal = false } = {}) {
    const seat = (this.#seat = new AbortController())
    const options = steal ? { steal } : { signal: seat.signal }
    const held = navigator.locks.request(this.name, options, () => this.#leads(seat.signal, this.#channel))
    held.catch((error) => {
      if (seat.signal.aborted) return
      seat.abort()
      if (error.name === "AbortError") this.#robbed()
      else this.on.onFail()
    })
  }

  async #leads(signal, channel) {
    // What the leader before has said last may not have been heard yet.
    if (this.#term) await new Promise((resolve) => setTimeout(resolve, HEAR_MS))
    if (signal.aborted) return
    const { onFrame, onState, onFail } = this.on
    const onTell = (message) => channel.postMessage(message)
    // Later than every leader before, whatever the clock says.
    const lead = (this.#lead = new Lead(this.url, this.headers, Math.max(Date.now(), this.#term + 1), { onTell, onFrame, onState, onFail }))
    this.#term = lead.term
    await lead.open()
    if (lead.isOver) {
      await new Promise((resolve) => setTimeout(resolve, LINGER_MS))
      this.#rest()
    }
    if (this.#lead === lead) this.#lead = null
    if (this.#channel !== channel || !this.#seat) channel.close() // this tab has left
  }

  /** This tab was frozen, and another has taken the lead meanwhile. */
  #robbed() {
    this.#lead?.close()
    this.#lead = null
    this.#say({ kind: "hello", from: this.id })
    this.#queue()
  }

  #probe() {
    if (this.#lead || document.hidden) {
      this.#unanswered = 0
    } else if (this.#unanswered < SILENT_PROBES) {
      this.#unanswered += 1
      this.#say({ kind: "probe" })
    } else {
      this.#unanswered = 0
      this.#seat.abort()
      this.#queue({ steal: true })
    }
  }

  #hear(message) {
    if (this.#lead) return this.#answer(message)
    if (message.kind === "hello" || message.kind === "probe" || message.term < this.#term) return
    this.#unanswered = 0
    const { kind, term, count, frame } = message
    if (kind === "state") this.on.onState(message.isOpen)
    else if (kind === "snapshot" && message.to === this.id) this.#catchUp(message)
    else if (kind === "alive" && (term !== this.#term || count > this.#count)) this.#say({ kind: "hello", from: this.id })
    else if (kind === "frame" && (message.isWhole || (term === this.#term && count === this.#count + 1))) {
      this.#show(term, count, [frame])
    }
  }

  #answer({ kind, from }) {
    if (kind === "hello") this.#say({ ...this.#lead.snapshot(), to: from })
    else if (kind === "probe") this.#say({ kind: "alive", term: this.#lead.term, count: this.#lead.count })
  }

  #catchUp({ term, count, isOpen, frames }) {
    if (term === this.#term && count <= this.#count) return
    this.on.onState(isOpen)
    this.#show(term, count, frames)
  }

  #show(term, count, frames) {
    this.#term = term
    this.#count = count
    for (const frame of frames) this.on.onFrame(frame)
    if (frames.some(({ event }) => event === "close")) this.#rest()
  }
}
