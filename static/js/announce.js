// Tells screen readers when an answer begins and how it ends. Without it they hear nothing, or every word.
export function attach(region) {
  let said = ""
  const say = (words) => {
    if (words === said) return
    said = words
    region.textContent = words
  }
  const look = (node) => {
    if (!(node instanceof Element)) return
    const found = node.matches("[data-announce]") ? node : node.querySelector("[data-announce]")
    if (found) say(found.dataset.announce)
  }
  new MutationObserver((changes) => {
    for (const change of changes) change.addedNodes.forEach(look)
  }).observe(document.querySelector("main"), { childList: true, subtree: true })
}
