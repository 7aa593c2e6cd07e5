// Puts earlier and later turns in beside those that are shown. Without it the link leads to a page of them.
export function attach(log) {
  log.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-more] a")
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return
    event.preventDefault()
    const way = link.closest("[data-more]")
    if (way.hasAttribute("aria-busy")) return
    way.setAttribute("aria-busy", "true")
    const response = await fetch(link.dataset.turns, { headers: { Accept: "text/html", "HX-Request": "true" } }).catch(() => null)
    if (!response?.ok) return location.assign(link.href)
    const holder = document.createElement("template")
    holder.innerHTML = await response.text()
    const { side, added, next } = parts(holder.content, way.dataset.more)
    const anchor = side === "before" ? way.nextElementSibling : way.previousElementSibling
    const place = anchor?.getBoundingClientRect().top ?? 0
    way.replaceWith(...(side === "before" ? [next, ...added] : [...added, next]).filter(Boolean))
    for (const turn of added) window.htmx.process(turn)
    if (anchor) stay(log, anchor, place)
    const focused = side === "before" ? added.at(-1) : added[0]
    if (focused) {
      focused.tabIndex = -1
      focused.focus({ preventScroll: true })
    }
    // After the region has looked at what came.
    setTimeout(() => {
      document.getElementById("announcer").textContent = `${added.length} ${side === "before" ? "earlier" : "later"} turns`
    })
  })
}

function parts(content, side) {
  return { side, added: [...content.querySelectorAll(".turn")], next: content.querySelector(`[data-more=${side}]`) }
}

function stay(log, element, place) {
  const box = getComputedStyle(log).overflowY === "visible" ? document.scrollingElement : log
  box.scrollTop += element.getBoundingClientRect().top - place
}
