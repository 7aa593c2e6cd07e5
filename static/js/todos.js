// Sends what is done to the list, and shows what it does here and in other tabs. Without it forms do, and pages reload.
import { attach as attachDrag } from "./todos-drag.js"
import { attach as attachKeys } from "./todos-keys.js"
import { attach as attachSheet } from "./todos-sheet.js"
import { apply, bind, here, hold } from "./todos-swap.js"
import { attach as attachToast } from "./todos-toast.js"
import { csrfToken } from "./request.js"

export function attach(board) {
  bind(board)
  const sheet = attachSheet(document.getElementById("todos-sheet"))
  const find = board.querySelector("[data-find]")
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

  let chosen = 0

  async function choose(url, isBack = false) {
    const number = (chosen += 1)
    try {
      const { ok, html } = await ask("GET", url)
      if (number !== chosen) return // another one was chosen meanwhile
      if (!ok) return location.assign(url)
      if (!isBack) history.pushState({}, "", url)
      find.elements.q.value = new URL(url, location.href).searchParams.get("q") ?? ""
      apply(html, true).then(reveal)
    } catch {
      toast.say("The site cannot be reached.")
    }
  }

  board.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-filter]")
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    choose(link.href)
  })
  find.addEventListener("submit", (event) => {
    event.preventDefault()
    const wanted = new URL(location.href)
    const words = find.elements.q.value.trim()
    if (words) wanted.searchParams.set("q", words)
    else wanted.searchParams.delete("q")
    choose(wanted.href)
  })
  window.addEventListener("popstate", () => choose(location.href, true))

  const move = (row) => {
    const before = row.previousElementSibling?.dataset.todo ?? ""
    const body = new FormData()
    body.append("after", before)
    return send(here(`/todos/${row.dataset.todo}/move`), body)
  }
  /** The filter that is chosen, where they do not all fit. */
  const reveal = () => {
    for (const link of board.querySelectorAll(".filters__link[aria-current]")) {
      const list = link.closest(".filters")
      list.scrollLeft = link.offsetLeft - list.offsetLeft - (list.clientWidth - link.offsetWidth) / 2
    }
  }
  reveal()
  attachDrag(board, { move, hold })
  attachKeys({ move, sheet })
}

async function ask(method, url, body) {
  const headers = { Accept: "text/html", "HX-Request": "true", "X-CSRF-Token": csrfToken() }
  const response = await fetch(url, { method, headers, body })
  return { ok: response.ok, html: await response.text() }
}
