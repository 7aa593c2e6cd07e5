// Makes an answer's numbers in brackets lead to its sources. Without it the sources stand below all the same.
const MARK = /\[(\d{1,3})\]/

export function attach(answer) {
  const dress = () => {
    if (!answer.querySelector(".sources__item")) return
    const blocks = answer.querySelectorAll(".answer__blocks > *:not([data-cited])")
    for (const block of blocks) {
      block.dataset.cited = ""
      link(answer, block)
    }
  }
  dress()
  // The numbers come before their sources: what stood there already is looked at again with each new source.
  new MutationObserver((changes) => {
    if (changes.some(({ target }) => target.closest?.(".answer__sources"))) {
      for (const block of answer.querySelectorAll("[data-cited]")) delete block.dataset.cited
    }
    dress()
  }).observe(answer, { childList: true, subtree: true })
}

function link(answer, block) {
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT)
  const found = []
  while (walker.nextNode()) {
    if (MARK.test(walker.currentNode.data) && !walker.currentNode.parentElement.closest("a, code, pre, .math")) found.push(walker.currentNode)
  }
  for (let text of found) {
    for (let match = MARK.exec(text.data); match; match = MARK.exec(text.data)) {
      const id = `${answer.id}-source-${match[1]}`
      const rest = text.splitText(match.index + match[0].length)
      if (document.getElementById(id)) text.splitText(match.index).replaceWith(mark(id, match[1]))
      text = rest
    }
  }
}

function mark(id, number) {
  const element = document.createElement("a")
  element.className = "cite"
  element.href = `#${id}`
  element.textContent = number
  element.setAttribute("aria-label", `Source ${number}`)
  return element
}
