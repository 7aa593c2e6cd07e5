// Reads a stream in any page or program, with no framework: docs/clients.md. Our own pages use htmx instead.
import { frames } from "./frames.js"

const RETRY_S = [1, 2, 4]
const ENDS = new Set(["stream.close", "complete", "done", "history", "error"])

async function* bytes(body) {
  const reader = body.getReader()
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value
  } finally {
    reader.cancel().catch(() => {})
  }
}

export class StreamClient {
  /** on: {onEvent(name, data), onState(state), onFail(error), and on<Name>(data) for any event, as onMessageDelta}. */
  constructor(url, on = {}, { headers = {}, fetch = globalThis.fetch, random = Math.random, ends = ENDS } = {}) {
    Object.assign(this, { url, on, headers, fetch, random, ends, lastId: null, controller: new AbortController() })
  }

  close() {
    this.controller.abort()
    this.on.onState?.("closed")
  }

  async open() {
    for (let failures = 0; ; failures += 1) {
      this.on.onState?.(failures || this.lastId ? "reconnecting" : "connecting")
      const before = this.lastId
      try {
        if (await this.#read()) return
      } catch (error) {
        if (this.controller.signal.aborted) return
        if (error.isFinal) return this.on.onFail?.(error)
        if (failures >= RETRY_S.length) return this.on.onFail?.(error)
      }
      if (this.lastId !== before) failures = 0
      if (failures >= RETRY_S.length) return this.on.onFail?.(new Error("the stream ended early"))
      await this.#pause((this.retryMs ?? RETRY_S[failures] * 1000) * (1 + 0.3 * this.random()))
      if (this.controller.signal.aborted) return
    }
  }

  async #read() {
    const headers = { Accept: "text/event-stream", ...this.headers, ...(this.lastId && { "Last-Event-ID": this.lastId }) }
    const { fetch, controller } = this
    const response = await fetch(this.url, { headers, signal: controller.signal, credentials: "same-origin" })
    if (response.status === 204) return true
    if (!response.ok) {
      const isFinal = response.status < 500 && response.status !== 429
      throw Object.assign(new Error(`status ${response.status}`), { status: response.status, isFinal })
    }
    this.on.onState?.("open")
    for await (const frame of frames(bytes(response.body))) {
      if (frame.retry !== undefined) this.retryMs = frame.retry
      if (frame.data && this.#tell(frame)) return true
    }
    return false
  }

  #tell({ id, event, data }) {
    if (id) this.lastId = id
    let value
    try {
      value = JSON.parse(data)
    } catch {
      return false // a frame that is not ours; the next one may be
    }
    const name = event === "message" ? (value.type ?? event) : event
    this.on.onEvent?.(name, value)
    this.on["on" + name.replace(/(?:^|[._])([a-z])/g, (_, letter) => letter.toUpperCase())]?.(value)
    return this.ends.has(name)
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.controller.signal.addEventListener("abort", () => { clearTimeout(timer); resolve() }, { once: true })
    })
  }
}
