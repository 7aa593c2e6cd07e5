// Says that cards are being made, and keeps the form from being sent twice. Without it the page waits without a word.
export function attach(form) {
  const button = form.querySelector("button")
  const working = form.querySelector("[data-working]")
  const said = document.querySelector("[data-said]")

  form.addEventListener("submit", (event) => {
    if (button.getAttribute("aria-disabled") === "true") return event.preventDefault()
    button.setAttribute("aria-disabled", "true")
    working.hidden = false
    said.textContent = working.textContent
  })
  // Back from the deck, by the browser's own button, the page may be shown as it was left.
  window.addEventListener("pageshow", () => {
    button.removeAttribute("aria-disabled")
    working.hidden = true
    said.textContent = ""
  })
}
