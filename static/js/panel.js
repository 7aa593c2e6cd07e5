// Folds the conversations away on a small screen and marks the one that is shown. Without it they stand unfolded.
const isSmall = matchMedia("(max-width: 59.99rem)")

export function attach(panel) {
  const fold = panel.querySelector("details")
  const settle = () => { fold.open = !isSmall.matches }
  if (!panel.hasAttribute("data-folded")) {
    settle()
    isSmall.addEventListener("change", settle)
  }

  // A new conversation has no name yet when the page is made.
  const mark = () => {
    const current = [...document.querySelectorAll("main [data-conversation]:not(.past)")].at(-1)?.dataset.conversation
    for (const item of panel.querySelectorAll("[data-conversation]")) {
      const link = item.querySelector(".past__link")
      if (item.dataset.conversation === current) link.setAttribute("aria-current", "page")
      else link.removeAttribute("aria-current")
    }
  }
  new MutationObserver(mark).observe(panel, { childList: true, subtree: true })
}
