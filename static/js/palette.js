// Finds conversations and pages as one types, by Ctrl+K or Cmd+K. Without it /history does, as a page.
const PAUSE_MS = 120

export function attach(dialog) {
  const field = dialog.querySelector("input")
  const list = dialog.querySelector("[role=listbox]")
  const said = dialog.querySelector("[data-count]")
  let asking = null
  let timer = null

  const options = () => [...list.querySelectorAll("[role=option]")]
  const chosen = () => list.querySelector("[aria-selected=true]")

  function choose(option) {
    for (const one of options()) one.setAttribute("aria-selected", String(one === option))
    if (option) field.setAttribute("aria-activedescendant", option.id)
    else field.removeAttribute("aria-activedescendant")
    option?.scrollIntoView({ block: "nearest" })
  }

  async function find() {
    asking?.abort()
    asking = new AbortController()
    const { signal } = asking
    try {
      const response = await fetch(`/history/find?q=${encodeURIComponent(field.value)}`, { signal, headers: { Accept: "text/html", "HX-Request": "true" } })
      if (!response.ok) throw new Error(`status ${response.status}`)
      const found = new DOMParser().parseFromString(await response.text(), "text/html").body
      if (signal.aborted) return
      list.replaceChildren(...found.childNodes)
      choose(options()[0])
      said.textContent = `${options().length} found`
    } catch (error) {
      if (error.name === "AbortError") return
      const line = Object.assign(document.createElement("p"), { className: "palette__none", textContent: "The search did not come through. Try again in a moment." })
      list.replaceChildren(line)
      said.textContent = line.textContent
    }
  }

  function open() {
    if (dialog.open) return field.select()
    document.querySelector("dialog[open]")?.close()
    dialog.showModal()
    field.value = ""
    find()
  }

  dialog.addEventListener("rill:open", open)
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close())
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close() })
  dialog.addEventListener("close", () => {
    clearTimeout(timer)
    asking?.abort()
    list.replaceChildren()
  })
  field.addEventListener("input", () => {
    clearTimeout(timer)
    timer = setTimeout(find, PAUSE_MS)
  })
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return
    if (event.key === "Escape") {
      event.preventDefault() // of itself it would only empty the field
      return dialog.close()
    }
    const all = options()
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step && all.length) {
      event.preventDefault()
      choose(all.at((all.indexOf(chosen()) + step) % all.length))
    } else if (event.key === "Enter" && chosen()) {
      event.preventDefault()
      chosen().click()
    }
  })
}
