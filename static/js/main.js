// Gives elements their behaviour, those that come later too. Without it the pages work as plain forms.
const MODULES = new Set([
  "announce", "composer", "copy", "follow", "keep", "ladder", "math", "reconnect", "theme", "waiting",
])
const attached = new WeakMap()

async function attachTo(element) {
  const done = attached.get(element) ?? new Set()
  attached.set(element, done)
  for (const name of element.dataset.behavior.split(/\s+/)) {
    if (!MODULES.has(name) || done.has(name)) continue
    done.add(name)
    const { attach } = await import(`./${name}.js`)
    attach(element)
  }
}

function attachWithin(node) {
  if (!(node instanceof Element)) return
  if (node.matches("[data-behavior]")) attachTo(node)
  node.querySelectorAll("[data-behavior]").forEach(attachTo)
}

attachWithin(document.documentElement)
new MutationObserver((changes) => {
  for (const change of changes) change.addedNodes.forEach(attachWithin)
}).observe(document.body, { childList: true, subtree: true })
