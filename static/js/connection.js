// Reads the frames of one stream, and comes back when the connection breaks. Without it nobody would follow.
import { frames } from "./frames.js"

const LONGEST_S = 8
const JUST_MS = 1000

export class Connection {
  #attempt = null
  #wake = null
  #triedAt = 0
  #isUrgent = false
  #isClosed = false

  /**
   * take(frame): what is done with each; true after the last one.
   * on: {onState(state), onFail(error)}; states: connecting, open, reconnecting, closed.
   * attempts: how many in a row may bring nothing. quietMs: how long one may be silent, heartbeats included; 0: for ever.
   */
  constructor(url, take, on, { headers = {}, fetch = globalThis.fetch, random = Math.random, attempts = 3, quietMs = 0 } = {}) {
    Object.assign(this, { url, take, on, headers, fetch, random, attempts, quietMs, lastId: null })
  }

  close() {
    this.#isClosed = true
    this.#hurry()
    this.on.onState?.("closed")
  }

  /** Connects anew at once: what is connected now may have been cut off without a word, unless it has just begun. */
  again() {
    if (!this.#wake && Date.now() - this.#triedAt < JUST_MS) return
    this.#isUrgent = true
    this.#hurry()
  }

  async open() {
    for (let failures = 0; !this.#isClosed; failures += 1) {
      this.on.onState?.(failures || this.lastId ? "reconnecting" : "connecting")
      const before = this.lastId
      let failed = new Error("the stream ended early")
      try {
        if (await this.#read()) return
      } catch (error) {
        failed = error
      }
      if (this.#isClosed) return
      if (this.lastId !== before || this.#isUrgent) failures = 0
      if (failed.isFinal || failures >= this.attempts) return this.on.onFail?.(failed)
      if (!this.#isUrgent) await this.#pause(this.#secondsAfter(failures) * 1000 * (1 + 0.3 * this.random()))
      this.#isUrgent = false
    }
  }

  async #read() {
    const headers = { Accept: "text/event-stream", ...this.headers, ...(this.lastId && { "Last-Event-ID": this.lastId }) }
    const { fetch, url, quietMs } = this
    const attempt = (this.#attempt = new AbortController())
    this.#triedAt = Date.now()
    let timer
    const heard = () => {
      clearTimeout(timer)
      if (quietMs) timer = setTimeout(() => attempt.abort(), quietMs)
    }
    try {
      heard()
      const response = await fetch(url, { headers, signal: attempt.signal, credentials: "same-origin" })
      if (response.status === 204) return true
      if (!response.ok) {
        const isFinal = response.status < 500 && response.status !== 429
        throw Object.assign(new Error(`status ${response.status}`), { status: response.status, isFinal })
      }
      this.on.onState?.("open")
      for await (const frame of frames(bytes(response.body, heard))) {
        if (frame.retry !== undefined) this.retryMs = frame.retry
        if (frame.id) this.lastId = frame.id
        if (frame.data && this.take(frame)) return true
      }
      return false
    } finally {
      clearTimeout(timer)
    }
  }

  #secondsAfter(failures) {
    return failures === 0 && this.retryMs !== undefined ? this.retryMs / 1000 : Math.min(2 ** failures, LONGEST_S)
  }

  async #pause(ms) {
    let timer
    await new Promise((resolve) => {
      this.#wake = resolve
      timer = setTimeout(resolve, ms)
    })
    clearTimeout(timer)
    this.#wake = null
  }

  #hurry() {
    this.#attempt?.abort()
    this.#wake?.()
  }
}

async function* bytes(body, heard) {
  const reader = body.getReader()
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      heard()
      yield part.value
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}
