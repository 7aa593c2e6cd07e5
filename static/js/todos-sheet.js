// Opens a todo, its day, or the list of changes above the list. Without it they are pages. Part of todos.js.
import { here, rows } from "./todos-swap.js"

export function attach(dialog) {
  const body = dialog.querySelector("[data-body]")
  const title = dialog.querySelector("#sheet-title")
  let opener = null // what is to have the focus again
  let asking = null

  function fill(html) {
    const page = new DOMParser().parseFromString(html, "text/html").body
    const name = page.querySelector("[data-title]")
    title.textContent = name?.textContent ?? ""
    name?.remove()
    body.replaceChildren(...page.childNodes)
    body.scrollTop = 0
    const wrong = body.querySelector("[aria-invalid], [data-first]")
    ;(wrong ?? title).focus({ preventScroll: !wrong })
  }

  async function open(url, from = null) {
    asking?.abort()
    asking = new AbortController()
    const { signal } = asking
    const path = here(url)
    try {
      const response = await fetch(path, { signal, headers: { Accept: "text/html", "HX-Request": "true" } })
      const html = await response.text()
      if (signal.aborted) return
      if (!dialog.open) {
        opener = rememberedBy(from ?? document.activeElement)
        dialog.showModal()
      }
      fill(html)
    } catch (error) {
      if (error.name !== "AbortError") location.assign(path)
    }
  }

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
    const link = event.target.closest?.("a[data-sheet], a[href^='/todos?item=']")
    if (!link) return
    event.preventDefault()
    const item = new URL(link.href).searchParams.get("item")
    open(item ? `/todos/${item}` : link.href, link)
  })
  dialog.addEventListener("click", (event) => {
    const close = event.target === dialog ? dialog : event.target.closest("[data-close]")
    if (!close) return
    event.preventDefault()
    dialog.close()
  })
  dialog.addEventListener("keydown", (event) => {
    // It closes the sheet, and does not stop the agent's answer.
    if (event.key === "Escape") event.stopPropagation()
  })
  dialog.addEventListener("close", () => {
    asking?.abort()
    body.replaceChildren()
    opener?.()?.focus({ preventScroll: true })
    opener = null
  })
  return { open, fill, close: () => dialog.close(), isOpen: () => dialog.open }
}

/** How to find an element again that the list may have made anew. */
function rememberedBy(element) {
  const row = element?.closest?.(".todo")
  if (!row) return () => (element?.isConnected ? element : document.getElementById("todos-title"))
  const kind = element.classList[0]
  const place = rows().indexOf(row)
  return () => {
    const now = document.getElementById(row.id) ?? rows()[Math.min(place, rows().length - 1)]
    return (kind && now?.querySelector(`.${kind}`)) ?? now?.querySelector(".todo__item") ?? document.getElementById("todos-title")
  }
}
