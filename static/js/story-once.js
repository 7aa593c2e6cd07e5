// A button that starts a chapter is pressed once. Without it a second press is found out by the site.
export function attach(form) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) return event.preventDefault()
    form.dataset.sent = "true"
    form.setAttribute("aria-busy", "true")
  })
  // Back again: the button works again.
  addEventListener("pageshow", () => {
    delete form.dataset.sent
    form.removeAttribute("aria-busy")
  })
}
