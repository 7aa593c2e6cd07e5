// Brings a chapter onto the page while it is being told. Without it the page asks for itself again every few seconds.
import { Connection } from "./connection.js"
import * as once from "./story-once.js"
import { Progress, Writer } from "./story-writer.js"

// So many heartbeats may be missed before the connection counts as lost.
const HEARTBEATS = 3
const KINDER = "This part is told another way, so that it stays kind."

export function attach(story) {
  const { stream, cursor } = story.dataset
  if (!stream) return
  const text = story.querySelector("[data-text]")
  story.querySelector(".story__plain")?.remove()
  const writer = new Writer(text)
  const progress = new Progress(story.querySelector("[data-progress]"))
  const over = (outcome) => {
    writer.finish()
    progress.hide()
    story.dispatchEvent(new CustomEvent("story:told", { detail: outcome }))
    bringWhatComesNext()
  }
  let isAnew = false
  const take = ({ data }) => {
    const event = read(data)
    if (event.type === "stream" && event.verdict !== "exact") {
      isAnew = true
      writer.restart()
    } else if (event.type === "node" && event.partial && isAnew) writer.add(event.partial)
    else if (event.type === "content") writer.add(event.chunk)
    else if (event.type === "metadata") entitle(story, event)
    else if (event.type === "progress") progress.show(event.progress)
    else if (event.type === "safety_check" && event.status === "rejected") writer.note(KINDER)
    else if (event.type === "complete" || event.type === "error") {
      if (event.engine) sayWho(event.engine)
      over(event.type)
      return true
    }
    return false
  }
  const quietMs = HEARTBEATS * 1000 * Number(document.body.dataset.heartbeat || 15)
  const connection = new Connection(withCursor(stream, cursor), take, {
    onState: (state) => progress.isAway(state === "reconnecting"),
    // What is kept of it is shown by the page itself.
    onFail: () => over("lost"),
  }, { quietMs, attempts: 8 })
  connection.open()
  addEventListener("pagehide", () => connection.close(), { once: true })
  addEventListener("online", () => connection.again())
}

function withCursor(stream, cursor) {
  return cursor ? `${stream}?last_event_id=${encodeURIComponent(cursor)}` : stream
}

function read(data) {
  try {
    return JSON.parse(data)
  } catch {
    return {} // A frame that was spoilt on its way: the next ones still count.
  }
}

/** Who told it is known for sure at its end: a model may have been away. */
function sayWho(engine) {
  const line = document.getElementById("engine")
  line.textContent = engine === "built-in" ? line.dataset.builtIn : line.dataset.model
}

/** The chapter's title is known when it has been told. */
function entitle(story, { title }) {
  const heading = story.querySelector("h1")
  if (title && !heading.textContent.includes(title)) heading.textContent += `: ${title}`
}

/** The buttons below the story, as the site makes them; if they cannot be had, or there are none yet, the way to look again. */
async function bringWhatComesNext() {
  const next = document.getElementById("next")
  const headers = { Accept: "text/html", "HX-Request": "true" }
  const response = await fetch(next.dataset.url, { headers }).catch(() => null)
  if (response?.redirected || response?.status === 403) return location.reload() // the screen is another's by now
  const made = new DOMParser().parseFromString(response?.ok ? await response.text() : "", "text/html")
  const parts = [...made.body.children]
  next.replaceChildren(...(parts.length ? parts : [lookAgain()]))
  next.querySelectorAll("[data-behavior~=once]").forEach(once.attach)
  document.getElementById("announcer").textContent = next.querySelector("h2, .the-end__words, a")?.textContent ?? ""
}

function lookAgain() {
  const { pathname, search } = location
  const link = Object.assign(document.createElement("a"), { className: "big-button", href: pathname + search })
  link.textContent = "Look for more of the story"
  return link
}
