// Reads a stream in any page or program, with no framework: docs/clients.md. Our own pages use htmx instead.
import { Connection } from "./connection.js"

const ENDS = new Set(["stream.close", "complete", "done", "history", "error"])

/** STREAM_RETRY_ATTEMPTS, where a page of the site says it. */
function usualAttempts() {
  const said = Number.parseInt(globalThis.document?.body?.dataset.retryAttempts, 10)
  return Number.isNaN(said) ? 3 : said
}

export class StreamClient extends Connection {
  /** on: {onEvent(name, data), onState(state), onFail(error), onMalformed(data), and on<Name>(data) for any event, as onMessageDelta}. */
  constructor(url, on = {}, { ends = ENDS, attempts = usualAttempts(), ...options } = {}) {
    super(url, (frame) => this.#tell(frame), on, { attempts, ...options })
    this.ends = ends
  }

  #tell({ event, data }) {
    let value
    try {
      value = JSON.parse(data)
    } catch {
      this.on.onMalformed?.(data)
      return false // a frame that is not ours; the next one may be
    }
    const name = event === "message" ? (value?.type ?? event) : event
    this.on.onEvent?.(name, value)
    this.on["on" + name.replace(/(?:^|[._])([a-z])/g, (_, letter) => letter.toUpperCase())]?.(value)
    return this.ends.has(name)
  }
}
