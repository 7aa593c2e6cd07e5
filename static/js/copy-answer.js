// Copies an answer as text, its formulas as TeX. Without it a reader selects by hand.
export function attach(button) {
  button.hidden = false
  button.addEventListener("click", async () => {
    const text = textOf(document.querySelector(`#${CSS.escape(button.dataset.answer)} .answer__body`))
    let words = "Copied"
    try {
      await navigator.clipboard.writeText(text)
    } catch {
      words = "Select and copy" // no permission, or a page without TLS
    }
    button.textContent = words
    setTimeout(() => { button.textContent = "Copy" }, 2000)
  })
}

/** What stands there, as a person would type it. */
export function textOf(body) {
  const copy = body.cloneNode(true)
  for (const formula of copy.querySelectorAll(".math[data-tex]")) {
    const mark = formula.classList.contains("math--display") ? "$$" : "$"
    formula.replaceWith(mark + formula.dataset.tex + mark)
  }
  for (const control of copy.querySelectorAll("button")) control.remove()
  for (const code of copy.querySelectorAll("pre")) code.replaceWith(`\n\`\`\`\n${code.textContent.trimEnd()}\n\`\`\`\n`)
  // Line breaks are a matter of layout, so that it must be on the page for a moment.
  copy.className += " visually-hidden"
  copy.style.whiteSpace = "pre-line"
  body.after(copy)
  const text = copy.innerText.trim()
  copy.remove()
  return text
}
