// Changes which todos are shown, beside the agent's answer that goes on. Without it a filter is a page. Part of todos.js.
import { apply } from "./todos-swap.js"

export function attach(board, { ask, toast }) {
  const find = board.querySelector("[data-find]")
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

  /** The filter that is chosen, where they do not all fit. */
  const reveal = () => {
    for (const link of board.querySelectorAll(".filters__link[aria-current]")) {
      const list = link.closest(".filters")
      list.scrollLeft = link.offsetLeft - list.offsetLeft - (list.clientWidth - link.offsetWidth) / 2
    }
  }
  reveal()
}
