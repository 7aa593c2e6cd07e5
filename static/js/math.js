// Typesets finished formulas with KaTeX. Without it the browser shows the server's MathML.
const BASE = "/static/vendor/katex-0.19.1"
let loading = null

export function attach(root) {
  const typeset = async () => {
    const found = [...root.querySelectorAll(".math[data-tex]:not([data-typeset])")]
    const formulas = found.filter((formula) => !formula.closest(".answer__tail"))
    if (formulas.length === 0) return
    for (const formula of formulas) formula.dataset.typeset = "true"
    const katex = await load()
    for (const formula of formulas) replace(katex, formula)
  }
  typeset()
  new MutationObserver(typeset).observe(root, { childList: true, subtree: true })
}

function replace(katex, formula) {
  const typeset = document.createElement("span")
  try {
    katex.render(formula.dataset.tex, typeset, {
      displayMode: formula.classList.contains("math--display"),
      throwOnError: true,
      strict: "ignore",
      maxExpand: 200,
      maxSize: 20,
    })
  } catch {
    return // what KaTeX does not know stays MathML
  }
  formula.replaceChildren(...typeset.childNodes)
}

function load() {
  loading ??= Promise.all([import(`${BASE}/katex.min.js`), styled()]).then(() => window.katex)
  return loading
}

function styled() {
  return new Promise((resolve) => {
    const sheet = document.createElement("link")
    sheet.rel = "stylesheet"
    sheet.href = `${BASE}/katex.min.css`
    sheet.onload = sheet.onerror = resolve
    document.head.append(sheet)
  })
}
