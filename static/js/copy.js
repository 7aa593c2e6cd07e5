// Puts a Copy button on finished code and on tests. Without it a reader selects by hand.
export function attach(root) {
  const dress = () => {
    for (const element of root.querySelectorAll("pre, [data-copy]")) {
      if (element.dataset.copyReady || element.closest(".answer__tail")) continue
      element.dataset.copyReady = "true"
      const button = buttonFor(element)
      if (element.tagName === "PRE") element.append(button)
      else element.after(" ", button)
    }
  }
  dress()
  new MutationObserver(dress).observe(root, { childList: true, subtree: true })
}

function buttonFor(element) {
  const text = (element.querySelector("code") ?? element).textContent
  const button = document.createElement("button")
  button.type = "button"
  button.className = "copy button button--quiet button--small"
  button.textContent = "Copy"
  button.addEventListener("click", async () => {
    button.textContent = (await copied(text)) ? "Copied" : "Select and copy"
    setTimeout(() => { button.textContent = "Copy" }, 2000)
  })
  return button
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false // no permission, or a page without TLS
  }
}
