// Says that an answer has come elsewhere: beside the link to the history and in the title. Without it the list says so.
import { ask } from "./request.js"

const SOON_MS = 400 // after an answer's last frame it is stored
const RUNNING_MS = 5000
const QUIET_MS = 60_000
const MOST = 9 // that the badge has room for
const BADGE = /^\(\d+\) /

export function attach(link) {
  const count = link.querySelector("[data-count]")
  const channel = globalThis.BroadcastChannel ? new BroadcastChannel("rill.history") : null
  let known = { unread: 0, running: false }
  let acknowledged = "" // what has been told to the site, so that it is told once
  let endings = 0
  let hasNews = false // something began or ended on this page
  let timer = null

  function plan(ms) {
    clearTimeout(timer)
    timer = setTimeout(look, ms * (1 + Math.random() / 4)) // not all tabs at the same moment
  }

  function show(now) {
    const hasChanged = hasNews || now.unread !== known.unread || now.running !== known.running
    known = now
    count.hidden = now.unread === 0
    count.firstElementChild.textContent = now.unread > MOST ? `${MOST}+` : now.unread
    const title = document.title.replace(BADGE, "")
    const wanted = now.unread ? `(${now.unread}) ${title}` : title
    if (document.title !== wanted) document.title = wanted
    // Not while somebody is at work in the list.
    hasNews = hasChanged && document.querySelector(".panel .past__more[open], .panel__list:focus-within") !== null
    if (hasChanged && !hasNews) document.body.dispatchEvent(new CustomEvent("history-changed"))
    plan(now.running ? RUNNING_MS : QUIET_MS)
  }

  async function look() {
    plan(QUIET_MS)
    try {
      let now = await ask("GET", "/history/unread")
      if (now.unread && (await acknowledge(now))) now = await ask("GET", "/history/unread")
      show(now)
      channel?.postMessage(now) // one tab asks for all
    } catch {
      // away, or signed out: it is asked again
    }
  }

  /** Who looks at an answer that has ended has seen it; whether that was news to the site. */
  async function acknowledge(now) {
    const current = [...document.querySelectorAll("main [data-conversation]:not(.past)")].at(-1)?.dataset.conversation
    const state = `${current} ${now.unread} ${endings}`
    if (!current || document.hidden || document.querySelector("#turns .waiting") || state === acknowledged) return false
    acknowledged = state
    await ask("POST", `/api/conversations/${current}/seen`, {})
    return true
  }

  function tell() {
    hasNews = true
    plan(SOON_MS)
  }

  channel?.addEventListener("message", ({ data }) => show(data))
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look() })
  document.addEventListener("rill:look", look)
  document.addEventListener("htmx:sse:close", ({ detail }) => {
    if (detail.reason !== "message") return
    endings += 1
    tell()
  })
  document.addEventListener("htmx:sse:after:connection", tell)
  look()
}
