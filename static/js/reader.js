// Opens a passage beside its answer, where its number or card was pressed. Without it the link leads to the document.
const WIDE = matchMedia("(min-width: 80rem)")

export function attach(dialog) {
  const [title, text, count] = ["reader-title", "text", "count"].map((name) => dialog.querySelector(`#${name}, [data-${name}]`))
  let link = null // that was pressed
  let asking = null

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
    const pressed = event.target.closest?.("a[data-peek], .cite > a, a.cite")
    if (!pressed) return
    const source = pressed.matches("[data-peek]") ? pressed : sourceOf(pressed)
    if (!source) return
    event.preventDefault()
    link = pressed
    show(source)
  })
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) return dialog.close()
    const step = event.target.closest("[data-step]")
    if (step) show(around()[place() + Number(step.dataset.step)] ?? null)
  })
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing || !dialog.open) return
    event.preventDefault() // it neither closes one that lies beside the page by itself, nor is it to stop the answer
    dialog.close()
  })
  dialog.addEventListener("close", () => {
    asking?.abort()
    document.querySelector("[data-peeked]")?.removeAttribute("data-peeked")
    link?.focus({ preventScroll: true })
  })

  let current = null
  const around = () => [...(current?.closest("ol, ul")?.querySelectorAll("a[data-peek]") ?? [])]
  const place = () => around().indexOf(current)

  async function show(source) {
    if (!source) return
    current = source
    document.querySelector("[data-peeked]")?.removeAttribute("data-peeked")
    source.closest("li")?.setAttribute("data-peeked", "")
    const all = around()
    count.textContent = `${place() + 1} of ${all.length}`
    for (const step of dialog.querySelectorAll("[data-step]")) step.disabled = !all[place() + Number(step.dataset.step)]
    title.textContent = source.textContent.trim()
    if (!dialog.open) {
      text.replaceChildren()
      if (WIDE.matches) dialog.show()
      else dialog.showModal()
      title.focus({ preventScroll: true })
    }
    await fill(source.href)
  }

  async function fill(url) {
    asking?.abort()
    asking = new AbortController()
    const { signal } = asking
    let found = null
    try {
      const response = await fetch(url, { signal, headers: { Accept: "text/html", "HX-Request": "true" } })
      const page = new DOMParser().parseFromString(await response.text(), "text/html").body
      if (response.ok || page.querySelector(".notice")) found = [...page.childNodes]
    } catch (error) {
      if (error.name === "AbortError") return
    }
    if (signal.aborted) return
    text.replaceChildren(...(found ?? [lost(url)]))
    text.scrollTop = 0
    const mark = text.querySelector("#passage")
    if (mark) text.scrollTop = mark.getBoundingClientRect().top - text.getBoundingClientRect().top - text.clientHeight / 4
  }
}

/** The link of a number's source; while the answer is being written, that of the card which has the number. */
function sourceOf(number) {
  const source = document.getElementById(number.hash.slice(1))?.querySelector("a[data-peek]")
  if (source) return source
  const cards = [...number.closest(".answer").querySelectorAll(".passage")]
  return cards.find((card) => card.querySelector(".passage__number")?.lastChild?.textContent.trim() === number.textContent)?.querySelector("a")
}

function lost(url) {
  const line = Object.assign(document.createElement("p"), { className: "notice notice--bad" })
  line.append("The passage did not come through. ", Object.assign(document.createElement("a"), { href: url, textContent: "Open the document" }))
  return line
}
