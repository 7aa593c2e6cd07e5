// Closes a menu by Escape and by a click elsewhere. Without it its own button closes it.
export function attach(details) {
  const isOutside = (event) => !details.contains(event.target)
  const close = (event) => { if (details.open && isOutside(event)) details.open = false }
  details.addEventListener("toggle", () => {
    if (details.open) details.querySelector("input[name=title]").select()
    const change = details.open ? "addEventListener" : "removeEventListener"
    document[change]("pointerdown", close)
    document[change]("focusin", close)
  })
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open || event.isComposing) return
    event.preventDefault() // it must not stop an answer as well
    details.open = false
    details.querySelector("summary").focus()
  })
}
