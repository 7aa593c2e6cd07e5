// Says how a line is understood while it is written, and takes words back as plain ones. Without it, after "Check".
import { csrfToken } from "./request.js"

const PAUSE_MS = 200

export function attach(form) {
  const line = form.querySelector("#quick-line")
  const echo = form.querySelector("#quick-echo")
  const plain = new Set()
  let timer
  let asking = null

  function grow() {
    line.style.blockSize = "auto"
    line.style.blockSize = `${line.scrollHeight + 2}px`
  }

  function ask(delay = PAUSE_MS) {
    clearTimeout(timer)
    asking?.abort()
    if (!line.value.trim()) {
      plain.clear()
      echo.replaceChildren()
      return
    }
    timer = setTimeout(read, delay)
  }

  async function read() {
    asking = new AbortController()
    const { signal } = asking
    const body = new FormData()
    body.append("line", line.value)
    for (const words of plain) body.append("plain", words)
    try {
      const response = await fetch(form.dataset.echo, { method: "POST", body, signal, headers: { Accept: "text/html", "HX-Request": "true", "X-CSRF-Token": csrfToken() } })
      if (!response.ok) return
      const page = new DOMParser().parseFromString(await response.text(), "text/html").body
      if (signal.aborted) return
      const focused = echo.contains(document.activeElement)
      echo.replaceChildren(...page.childNodes)
      line.toggleAttribute("aria-invalid", false)
      if (focused) line.focus()
    } catch {
      // It is understood when it is sent.
    }
  }

  line.addEventListener("input", () => {
    grow()
    ask()
  })
  line.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return
    if (event.key === "Escape" && line.value) {
      event.stopPropagation()
      line.value = ""
      line.dispatchEvent(new Event("input"))
    }
    if (event.key !== "Enter" || event.shiftKey) return
    event.preventDefault()
    form.requestSubmit()
  })
  echo.addEventListener("click", (event) => {
    const fix = event.target.closest("[data-plain], [data-read]")
    if (!fix) return
    if (fix.dataset.plain) plain.add(fix.dataset.plain)
    else plain.delete(fix.dataset.read)
    ask(0)
  })
  form.addEventListener("formdata", ({ formData }) => {
    formData.delete("plain")
    for (const words of plain) formData.append("plain", words)
  })
  form.addEventListener("submit", () => {
    clearTimeout(timer)
    asking?.abort()
  }, true)
  form.addEventListener("rill:sent", ({ detail }) => {
    if (!detail.isDone) return line.setAttribute("aria-invalid", "true")
    // What is sent twice is added once; this is the next one.
    form.elements.key.value = Date.now().toString(36) + Math.random().toString(36).slice(2)
    line.value = ""
    line.dispatchEvent(new Event("input"))
    line.focus()
  })
  if (line.value) grow()
}
