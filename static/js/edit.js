// Opens a question for changing and closes it again. Without it the field opens and closes by its heading.
export function attach(details) {
  const form = details.querySelector("form")
  const text = form.querySelector("textarea")
  const cancel = form.querySelector("[data-cancel]")
  const was = text.value
  const most = Number(text.dataset.maxChars)

  const close = () => {
    text.value = was
    text.setCustomValidity("")
    details.open = false
    details.querySelector("summary").focus()
  }
  text.addEventListener("input", () => {
    const tooMany = [...text.value.trim()].length - most
    text.setCustomValidity(tooMany > 0 ? `Shorten the question by ${tooMany.toLocaleString("en")} characters.` : "")
  })
  cancel.hidden = false
  cancel.addEventListener("click", close)
  details.addEventListener("toggle", () => {
    if (!details.open) return
    text.focus()
    text.setSelectionRange(text.value.length, text.value.length)
  })
  text.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return
    if (event.key === "Escape") {
      event.preventDefault()
      close()
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      form.requestSubmit()
    }
  })
}
