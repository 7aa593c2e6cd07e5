// Copies an answer as text, its formulas as TeX, its numbers with their sources. Without it a reader selects by hand.
export function attach(button) {
  button.hidden = false
  button.addEventListener("click", async () => {
    const answer = document.getElementById(button.dataset.answer)
    const text = stepsOf(answer) + textOf(answer.querySelector(".answer__body")) + sourcesOf(answer)
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

/** What an answer has done, a line a step. */
function stepsOf(answer) {
  const lines = [...answer.querySelectorAll(".step__told")].map((step) => `- ${step.textContent.trim()}`)
  return lines.length ? `${lines.join("\n")}\n\n` : ""
}

/** The documents that an answer cites, each with the place where it opens. */
function sourcesOf(answer) {
  const lines = [...answer.querySelectorAll(".sources__item")].map((item) => {
    const link = item.querySelector("a.sources__open")
    const place = item.querySelector(".passage__place")?.textContent.trim()
    return link && `[${item.querySelector(".sources__number").textContent.trim()}] ${link.textContent.trim()}${place ? `, ${place}` : ""}: ${link.href}`
  })
  return lines.some(Boolean) ? `\n\nSources\n${lines.filter(Boolean).join("\n")}` : ""
}

/** What stands there, as a person would type it. */
export function textOf(body) {
  const copy = body.cloneNode(true)
  for (const formula of copy.querySelectorAll(".math[data-tex]")) {
    const mark = formula.classList.contains("math--display") ? "$$" : "$"
    formula.replaceWith(mark + formula.dataset.tex + mark)
  }
  for (const number of copy.querySelectorAll(".cite")) number.replaceWith(` [${number.textContent}]`)
  for (const control of copy.querySelectorAll("button")) control.remove()
  for (const code of copy.querySelectorAll("pre")) code.replaceWith(`\n\`\`\`\n${code.textContent.trimEnd()}\n\`\`\`\n`)
  // Line breaks are a matter of layout, so that it must be on the page for a moment.
  copy.className += " visually-hidden"
  copy.style.whiteSpace = "pre-line"
  body.after(copy)
  const text = copy.innerText.trim()
  copy.remove()
  // A blank line parts paragraphs, one is enough; in code all of them count.
  return text.split(/(```[^]*?```)/).map((part, at) => (at % 2 ? part : part.replace(/\n\s*\n/g, "\n\n"))).join("")
}
