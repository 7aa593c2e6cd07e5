// A story for programs and pages without htmx: starts a chapter, shows it grow, comes back. docs/clients.md has its use.
import { HeldBack } from "./held-back.js"
import { Observed } from "./observed.js"
import { StreamClient } from "./stream-client.js"

const PATH = "/api/v1/stories/generate/stream"
const ENDS = new Set(["complete", "error"])
const EMPTY = { isStreaming: false, isPaused: false, streamedContent: "", currentProgress: null, story: null, error: null }
const NEEDS = { content: ["chunk", "string"], progress: ["progress", "object"], complete: ["story", "object"] }
const LOST = "The connection was lost. Try again in a moment."
const LATE = "The story takes too long. What came is kept; try again."
const OPEN = ["startStreaming", "stopStreaming", "resetStream", "pause", "resume", "close"]
const freshKey = () => globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}`

export class StoryClient {
  #state = new Observed(EMPTY)
  #held = new HeldBack()
  #run = null

  /**
   * on: {onContent(chunk, whole), onProgress(progress), onNode, onSafetyCheck, onMetadata, onComplete(story), onError(error)}.
   * token: a login or personal token; without it the page's cookie says who asks. cancelAfterMs: give up after that long.
   * maxChunks: how many of the newest pieces `chunks` keeps. More options are those of connection.js.
   */
  constructor(baseUrl = "", on = {}, { token, cancelAfterMs = 0, maxChunks = 200, log = console.warn, fetch = (...sent) => globalThis.fetch(...sent), ...options } = {}) {
    Object.assign(this, { baseUrl, on, token, cancelAfterMs, maxChunks, log, fetch, options, chunks: [] })
    // {isStreaming, isPaused, streamedContent, currentProgress, story, error}, another object after each change.
    Object.assign(this, { getState: this.#state.get, subscribe: this.#state.subscribe })
    for (const name of OPEN) this[name] = this[name].bind(this)
  }

  get isStreaming() { return this.getState().isStreaming }
  get streamedContent() { return this.getState().streamedContent }
  get currentProgress() { return this.getState().currentProgress }
  get error() { return this.getState().error }

  /**
   * Starts a chapter: {child_id, theme, chapter_number, choice, story_session, ...}. Resolves with the story when it is told,
   * with what came of it when it was stopped, with null after an error. key: who starts again with the same key gets the
   * same story; null: so does the same request until a minute after its end.
   */
  startStreaming(request, { key = freshKey() } = {}) {
    this.resetStream()
    const said = Object.entries(request).filter(([, value]) => value !== undefined && value !== null && value !== "")
    const url = `${this.baseUrl}${PATH}?${new URLSearchParams(said)}`
    const headers = { ...this.#identity(), ...(key && { "Idempotency-Key": key }), ...this.options.headers }
    const run = (this.#run = { stopUrl: null })
    const ours = (call) => (...told) => this.#run === run && call(...told)
    const on = {
      onEvent: ours((name, data) => this.#hear(name, data)),
      onMalformed: (data) => this.log("story: passed over what is no JSON", data),
      onFail: ours((error) => this.#fail(error)),
    }
    run.client = new StreamClient(url, on, { ...this.options, headers, fetch: (...sent) => this.#asked(...sent), ends: ENDS })
    if (this.cancelAfterMs) run.timer = setTimeout(ours(() => this.#giveUp(run)), this.cancelAfterMs)
    this.#state.set({ isStreaming: true })
    return new Promise((resolve) => {
      run.done = resolve
      run.client.open()
    })
  }

  /** Stops the telling itself, wherever it runs; what came stays, and can be continued. */
  async stopStreaming() {
    const run = this.#run
    if (!run) return
    this.resume()
    if (!await this.#stop(run) && this.#run === run) this.#end(null)
  }

  /** Forgets what came. A chapter that is being told goes on without this reader. */
  resetStream() {
    this.#end(null)
    this.#held.takeAll()
    this.#state.set(EMPTY)
  }

  /** What comes is kept back until `resume`; the telling goes on meanwhile. */
  pause() {
    if (this.#run) this.#state.set({ isPaused: true })
  }

  resume() {
    this.#state.set({ isPaused: false })
    for (const [name, data] of this.#held.takeAll()) this.#take(name, data)
  }

  /** The reader leaves; what came stays to be seen. */
  close() {
    this.#end(null)
  }

  #hear(name, data) {
    const [field, kind] = NEEDS[name] ?? []
    if (typeof data !== "object" || !data || field && (typeof data[field] !== kind || data[field] === null)) {
      return this.log("story: passed over a malformed event", name)
    }
    if (data.stop_url) this.#run.stopUrl = data.stop_url
    if (ENDS.has(name)) clearTimeout(this.#run.timer)
    if (this.getState().isPaused) this.#held.add(name, data)
    else this.#take(name, data)
  }

  #take(name, data) {
    const begins = name === "node" && data.node === "workflow" && data.status === "started"
    if (begins || name === "stream" && data.verdict !== "exact") {
      this.chunks = []
      this.#state.set({ streamedContent: "" })
    }
    if (name === "content") {
      this.chunks = [...this.chunks, data.chunk].slice(-this.maxChunks)
      this.#state.set({ streamedContent: this.streamedContent + data.chunk })
    }
    if (name === "progress") this.#state.set({ currentProgress: data.progress })
    if (name === "complete") return this.#complete(data.story)
    if (name === "error") return this.#fail(data)
    const told = { content: data.chunk, progress: data.progress }[name] ?? data
    this.on["on" + name.replace(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase())]?.(told, this.streamedContent)
  }

  #complete(story) {
    this.#state.set({ story })
    this.#end(story)
    this.on.onComplete?.(story)
  }

  #fail({ message, code = "CONNECTION_LOST", retryable = true, problem, request_id }) {
    for (const [name, data] of this.#held.takeAll()) this.#take(name, data)
    const error = problem ?? { message: code === "CONNECTION_LOST" ? LOST : message, code, retryable, request_id }
    this.#state.set({ error })
    this.#end(null)
    this.on.onError?.(error)
  }

  async #giveUp(run) {
    await this.#stop(run)
    if (this.#run === run) this.#fail({ message: LATE, code: "TOO_LONG" })
  }

  #end(story) {
    const run = this.#run
    if (!run) return
    this.#run = null
    clearTimeout(run.timer)
    run.client.close()
    this.chunks = []
    this.#state.set({ isStreaming: false, isPaused: false })
    run.done(story)
  }

  async #stop({ stopUrl }) {
    if (!stopUrl) return false
    const csrf = globalThis.document?.querySelector("meta[name=csrf-token]")?.content
    const headers = { Accept: "application/json", ...this.#identity(), ...(csrf && !this.token && { "X-CSRF-Token": csrf }) }
    const stopped = await this.fetch(this.baseUrl + stopUrl, { method: "POST", headers }).catch(() => null)
    return stopped?.ok ?? false
  }

  /** A refusal says why; what would be refused again is not tried again. */
  async #asked(...sent) {
    const response = await this.fetch(...sent)
    if (response.ok) return response
    const problem = await response.json().catch(() => undefined)
    const isFinal = response.status < 500 && (response.status !== 429 || problem?.code === "DAY_LIMIT")
    throw Object.assign(new Error(problem?.message ?? `status ${response.status}`), { isFinal, problem })
  }

  #identity() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {}
  }
}
