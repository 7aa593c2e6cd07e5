// Lets all tabs that show an answer share one connection for it. Without it each tab has a connection of its own, and
// a browser that has no locks, or a page without TLS, works so.
import { Member } from "./member.js"

const isPossible = Boolean(globalThis.navigator?.locks?.request && globalThis.BroadcastChannel && globalThis.crypto?.randomUUID)
const shared = new WeakSet()

/** Whether an answer's element is fed by the shared connection, which mends itself. */
export function isShared(element) {
  return shared.has(element)
}

export function attach(body) {
  if (!isPossible) return
  body.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    const answer = ctx?.sourceElement
    // htmx goes on as if the site had answered it; all that it would do with a stream it does with this one.
    if (answer?.hasAttribute("hx-sse:connect")) ctx.fetch = (url, request) => follow(answer, new URL(url, location.href).href, request)
  })
}

async function follow(answer, url, { headers, signal }) {
  const encoder = new TextEncoder()
  let member
  const leave = () => {
    shared.delete(answer)
    document.removeEventListener("freeze", pause)
    window.removeEventListener("pagehide", pause)
    document.removeEventListener("resume", goOn)
    window.removeEventListener("pageshow", goOn)
    member.leave()
  }
  let isPaused = false
  const pause = () => {
    if (isPaused) return
    isPaused = true
    member.leave()
  }
  const goOn = () => {
    if (!isPaused) return
    isPaused = false
    member.join()
  }
  const body = new ReadableStream({
    start(controller) {
      member = new Member(url, { ...headers }, {
        onFrame: (frame) => controller.enqueue(encoder.encode(asText(frame))),
        onState: (isOpen) => answer.dispatchEvent(new CustomEvent("rill:connection", { detail: { isOpen } })),
        // htmx finds the stream broken off, and connects by itself.
        onFail: () => {
          leave()
          controller.close()
        },
      })
      document.addEventListener("freeze", pause)
      window.addEventListener("pagehide", pause)
      document.addEventListener("resume", goOn)
      window.addEventListener("pageshow", goOn)
      shared.add(answer)
      member.join()
    },
    cancel: () => leave(),
  })
  signal?.addEventListener("abort", leave, { once: true })
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } })
}

function asText({ id, event, data }) {
  const lines = data.split("\n").map((line) => `data: ${line}\n`)
  return `${id ? `id: ${id}\n` : ""}${event === "message" ? "" : `event: ${event}\n`}${lines.join("")}\n`
}
