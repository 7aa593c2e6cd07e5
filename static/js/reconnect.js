// Says when the connection is lost and tries again at once when the network is back. Without it the page waits.
import { isShared } from "./share.js"

const PATIENCE_MS = 1500

export function attach(answer) {
  const line = answer.parentElement.querySelector(".answer__connection")
  let connection = null
  let timer = null

  const lost = () => {
    timer ??= setTimeout(() => { line.hidden = false }, PATIENCE_MS)
  }
  const found = () => {
    clearTimeout(timer)
    timer = null
    line.hidden = true
  }

  answer.addEventListener("htmx:sse:before:connection", (event) => {
    connection = event.detail.connection
    if (connection.attempt > 0) lost()
  })
  answer.addEventListener("htmx:sse:after:connection", found)
  answer.addEventListener("htmx:sse:after:message", found)
  answer.addEventListener("htmx:sse:error", lost)
  answer.addEventListener("rill:connection", ({ detail }) => (detail.isOpen ? found() : lost()))
  answer.addEventListener("htmx:sse:close", () => {
    connection = null
    found()
  })
  // A pulled cable ends nothing by itself; a new connection begins with all that was missed.
  window.addEventListener("offline", () => { if (connection) lost() })
  window.addEventListener("online", () => {
    if (isShared(answer)) return // its leader does so
    connection?.reader?.cancel()
    connection?.delayCanceller?.()
  })
}
