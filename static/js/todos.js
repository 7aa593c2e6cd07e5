// Sends what is done to the list, and shows what it does here and in other tabs. Without it forms do, and pages reload.
import { attach as attachDrag } from "./todos-drag.js"
import { attach as attachFilters } from "./todos-filters.js"
import { attach as attachKeys } from "./todos-keys.js"
import { attach as attachSheet } from "./todos-sheet.js"
import { apply, bind, here, hold } from "./todos-swap.js"
import { attach as attachToast } from "./todos-toast.js"
import { csrfToken } from "./request.js"

export function attach(board) {
  bind(board)
  const sheet = attachSheet(document.getElementById("todos-sheet"))
  const toast = attachToast(document.getElementById("todos-toast"))

  /** Posts, and shows what comes back: true if it was done. */
  async function send(url, body, form = null) {
    const release = hold()
    form?.setAttribute("aria-busy", "true")
    try {
      const { ok, html } = await ask("POST", url, body)
      release()
      if (html.includes("hx-swap-oob")) await apply(html)
      else if (sheet.isOpen()) sheet.fill(html)
      else if (!ok) toast.complain(html)
      return ok
    } catch {
      toast.say("The site cannot be reached: nothing was changed.")
      return false
    } finally {
      form?.removeAttribute("aria-busy")
      release()
    }
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target
    if (!form.matches("[data-todos-form]") || event.defaultPrevented) return
    event.preventDefault()
    if (form.getAttribute("aria-busy")) return
    const url = event.submitter?.getAttribute("formaction") ?? form.getAttribute("action")
    const row = form.matches(".todos__form") ? event.submitter.closest(".todo") : null
    row?.classList.add("todo--leaving")
    const isDone = await send(here(url), new FormData(form, event.submitter), row ? null : form)
    row?.classList.remove("todo--leaving")
    form.dispatchEvent(new CustomEvent("rill:sent", { bubbles: true, detail: { isDone } }))
    if (!isDone) return
    if ("closes" in form.dataset) sheet.close()
    else if (form.dataset.again) sheet.open(form.dataset.again)
  })

  // The stream's frames come in here, so that they take their turn.
  document.addEventListener("htmx:sse:before:message", (event) => {
    if (event.target.id !== "todos-live" || event.detail.message.event) return
    event.preventDefault()
    apply(event.detail.message.data)
  })

  let moving = Promise.resolve()

  /** One move after the other, in the order in which they were made; the list holds still until the last. */
  const move = (row) => {
    const body = new FormData()
    body.append("after", row.previousElementSibling?.dataset.todo ?? "")
    const release = hold()
    const moved = moving.then(() => send(here(`/todos/${row.dataset.todo}/move`), body)).finally(release)
    moving = moved
    return moved
  }
  attachFilters(board, { ask, toast })
  attachDrag(board, { move, hold })
  attachKeys({ move, sheet })
}

async function ask(method, url, body) {
  const headers = { Accept: "text/html", "HX-Request": "true", "X-CSRF-Token": csrfToken() }
  const response = await fetch(url, { method, headers, body })
  return { ok: response.ok, html: await response.text() }
}
