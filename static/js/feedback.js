// Notes whether an answer was good without leaving the page. Without it the buttons send a form.
import { ask } from "./request.js"

export function attach(form) {
  const why = form.querySelector(".feedback__why")
  const reason = form.querySelector(".feedback__reason")
  const thumbs = [...form.querySelectorAll("[aria-pressed]")]
  const note = form.querySelector(".feedback__note")

  const show = (value) => {
    for (const thumb of thumbs) thumb.setAttribute("aria-pressed", String(thumb.dataset.value === value))
    why.hidden = value !== "down"
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault()
    const button = event.submitter ?? form.querySelector("[data-send]")
    const isSend = button.hasAttribute("data-send")
    const value = isSend ? "down" : button.dataset.value
    const isOff = !isSend && button.getAttribute("aria-pressed") === "true"
    try {
      if (isOff) await ask("DELETE", form.action)
      else await ask("PUT", form.action, { value, ...(value === "down" && reason.value ? { reason: reason.value } : {}) })
    } catch (error) {
      note.textContent = error.message
      return
    }
    show(isOff ? "" : value)
    note.textContent = isOff ? "" : "Thank you."
    if (isSend) {
      why.hidden = true
      thumbs.at(-1).focus()
    } else if (value === "down" && !isOff) reason.focus()
  })
  reason.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return
    event.preventDefault()
    form.requestSubmit(form.querySelector("[data-send]"))
  })
}
