// Leads from what the agent did to the item in the list, folds the conversation away on a small page, and puts an example
// into the field. Without it links lead to the item's own page, and the conversation stands unfolded.
const isSmall = matchMedia("(max-width: 59.99rem)")
const SHOWN_MS = 2500

export function attach(panel) {
  const fold = panel.querySelector("[data-fold]")
  const field = panel.querySelector("#message")
  const turns = panel.querySelector("#turns")

  const open = (isOpen) => {
    panel.classList.toggle("agent--folded", !isOpen)
    fold.setAttribute("aria-expanded", String(isOpen))
  }
  const settle = () => {
    fold.hidden = !isSmall.matches
    open(!isSmall.matches || turns.querySelector(".waiting") !== null || location.hash === "#at")
  }
  settle()
  isSmall.addEventListener("change", settle)
  fold.addEventListener("click", () => {
    open(fold.getAttribute("aria-expanded") !== "true")
    const log = panel.querySelector("#chat-log")
    if (turns.querySelector(".turn")) log.scrollTop = log.scrollHeight
  })
  new MutationObserver((changes) => {
    const added = changes.flatMap((change) => [...change.addedNodes])
    if (added.some((node) => node instanceof Element && node.matches(".turn"))) open(true)
  }).observe(turns, { childList: true })

  // Another filter of the list keeps the session.
  document.addEventListener("click", ({ target }) => {
    const session = new URLSearchParams(location.search).get("session")
    const link = target.closest?.("a[data-filter]")
    if (!session || !link) return
    const there = new URL(link.href)
    there.searchParams.set("session", session)
    link.href = there
  }, true)
  panel.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return
    const example = event.target.closest("[data-say]")
    if (example && field) {
      event.preventDefault()
      field.value = example.textContent
      field.dispatchEvent(new Event("input", { bubbles: true }))
      field.focus()
      return
    }
    const link = event.target.closest("[data-item]")
    const row = link && document.getElementById(`todo-${link.dataset.item}`)
    if (!row) return // the list as it is filtered does not hold it: its own page does
    event.preventDefault()
    if (isSmall.matches) open(false)
    show(row)
  })
}

function show(row) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches
  row.scrollIntoView({ block: "center", behavior: calm ? "instant" : "smooth" })
  row.querySelector("a")?.focus({ preventScroll: true })
  for (const other of document.querySelectorAll(".todo--shown")) other.classList.remove("todo--shown")
  row.classList.add("todo--shown")
  setTimeout(() => row.classList.remove("todo--shown"), SHOWN_MS)
}
