// The todo agent for programs and pages without htmx: asks, reads its events, comes back. docs/clients.md shows its use.

const PATH = "/api/todos/agent-create/stream"
const LONGEST_TIMER_MS = 2 ** 31 - 1
const pause = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms)
  signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason) }, { once: true })
})

export class TodoError extends Error {
  constructor(message, told = {}) {
    super(message)
    Object.assign(this, told, { message })
  }
}

/** The month's requests are used up; `resetDate` is when there are new ones. */
export class QuotaError extends TodoError {
  get resetDate() {
    return new Date(this.reset_date)
  }
}

export class StreamingTodoClient {
  #rest = ""

  /** attempts: how often it comes back, after 1, 2 and 4 seconds; query: "frame=envelope" or "batch=1". */
  constructor(baseUrl, authToken, { fetch = (...sent) => globalThis.fetch(...sent), sleep = pause, attempts = 3, query = "" } = {}) {
    Object.assign(this, { baseUrl, authToken, fetch, sleep, attempts, query, lastEventId: null })
  }

  /**
   * Resolves with the history when the agent is done. Throws TodoError (`code`, `retryable`), QuotaError, or what `signal`
   * was aborted with. onEvent({type, data}) hears every event.
   * waitForReset: at the month's limit, wait for the next month, and ask then.
   */
  async createTodos(messages, sessionId, onEvent = () => {}, { signal, waitForReset = false } = {}) {
    for (;;) {
      try {
        return await this.#ask(messages, sessionId, onEvent, signal)
      } catch (error) {
        if (!(error instanceof QuotaError) || !waitForReset) throw error
        await this.#until(error.resetDate, signal)
      }
    }
  }

  /** Stops an answer, wherever it runs: `stop_url` of its first event. What it has said and done stays. */
  stop(stopUrl) {
    return this.fetch(this.baseUrl + stopUrl, { method: "POST", headers: { Authorization: `Bearer ${this.authToken}` } })
  }

  /** The events that a piece of the body completes, as {type, data}; what it begins is kept for the next piece. */
  parseSSEChunk(text) {
    const blocks = (this.#rest + text).split(/\r?\n\r?\n/)
    this.#rest = blocks.pop()
    return blocks.flatMap((block) => this.#events(block))
  }

  async #ask(messages, sessionId, onEvent, signal) {
    const body = JSON.stringify({ messages, session_id: sessionId })
    // What is sent again with the same key is not done again: it is told from where it was.
    const key = crypto.randomUUID()
    this.lastEventId = null
    for (let failures = 0; ; failures += 1) {
      const before = this.lastEventId
      try {
        return await this.#read(body, key, onEvent, signal)
      } catch (error) {
        if (signal?.aborted || error instanceof TodoError && !error.again) throw error
        if (this.lastEventId !== before) failures = 0
        if (failures >= this.attempts) throw error
        await this.sleep(Math.max(error.afterMs ?? 0, 1000 * 2 ** failures), signal)
      }
    }
  }

  async #read(body, key, onEvent, signal) {
    const headers = {
      Authorization: `Bearer ${this.authToken}`,
      "Content-Type": "application/json",
      Accept: "text/event-stream",
      "Idempotency-Key": key,
      ...(this.lastEventId && { "Last-Event-ID": this.lastEventId }),
    }
    const url = `${this.baseUrl}${PATH}${this.query && `?${this.query}`}`
    const response = await this.fetch(url, { method: "POST", headers, body, signal })
    if (!response.ok) throw await refusal(response)
    this.#rest = ""
    const reader = response.body.getReader()
    const decoder = new TextDecoder()
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        for (const event of this.parseSSEChunk(decoder.decode(part.value, { stream: true }))) {
          onEvent(event)
          if (event.type === "rate_limit_exceeded") throw new QuotaError(event.data.message, event.data)
          if (event.type === "error") throw new TodoError(event.data.message, event.data)
          if (event.type === "history") return event.data
        }
      }
    } finally {
      reader.cancel().catch(() => {})
    }
    throw new Error("The connection was lost.")
  }

  #events(block) {
    const lines = block.split(/\r?\n/)
    const field = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, ""))
    this.lastEventId = field("id").at(-1) ?? this.lastEventId
    const data = field("data").join("\n")
    try {
      return data ? opened(field("event").at(-1), JSON.parse(data)) : []
    } catch {
      return [] // not ours; the next one may be
    }
  }

  async #until(date, signal) {
    for (let left = date - Date.now(); left > 0; left = date - Date.now()) await this.sleep(Math.min(left, LONGEST_TIMER_MS), signal)
  }
}

/** Events as {type, data}, whichever way they are framed: named, in envelopes, in batches. */
function opened(name, value) {
  if (name === undefined && typeof value?.event === "string") return opened(value.event, value.data)
  if (name === "batch") return value.map(({ event, data }) => ({ type: event, data }))
  return [{ type: name ?? "message", data: value }]
}

async function refusal(response) {
  const told = await response.json().catch(() => ({}))
  const again = response.status === 429 && !told.reset_date || response.status >= 500
  const afterMs = 1000 * (Number(response.headers.get("Retry-After")) || 0)
  const kind = told.reset_date ? QuotaError : TodoError
  return new kind(told.message ?? `status ${response.status}`, { ...told, status: response.status, again, afterMs })
}
