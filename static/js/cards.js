// Reviews by keyboard: Space shows the answer, 1 to 4 rate it. Without it the same is done by pressing the buttons.
const RATINGS = new Set(["1", "2", "3", "4"])
let isFirst = true

export function attach(review) {
  const answer = review.querySelector("details")
  const form = review.querySelector("form")

  // A card that has come in place of another: the focus was in what is gone.
  if (!isFirst) review.querySelector("[data-front]")?.focus({ preventScroll: true })
  isFirst = false
  if (!answer) return

  answer.addEventListener("toggle", () => {
    if (answer.open) answer.querySelector("[data-back]").focus({ preventScroll: true })
  })

  const onKey = (event) => {
    if (!review.isConnected) return document.removeEventListener("keydown", onKey)
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return
    if (isElsewhere(event.target)) return
    if (event.key === " " && !answer.open) {
      event.preventDefault()
      answer.open = true
    } else if (RATINGS.has(event.key) && answer.open) {
      event.preventDefault()
      form.requestSubmit(form.querySelector(`[name=rating][value="${event.key}"]`))
    }
  }
  document.addEventListener("keydown", onKey)

  // A second press while the first is on its way is no second review.
  let isSending = false
  const problem = document.getElementById("review-problem")
  form.addEventListener("submit", (event) => {
    if (!isSending) return
    event.preventDefault()
    event.stopImmediatePropagation()
  }, { capture: true })
  form.addEventListener("htmx:before:request", () => {
    isSending = true
    problem.replaceChildren()
  })
  form.addEventListener("htmx:finally:request", () => { isSending = false })
  form.addEventListener("htmx:error", () => {
    problem.textContent = "That was not sent: the connection is lost. Rate the card again in a moment."
  })
}

// What takes keys for itself: fields, other pages' dialogs, links and buttons outside of the card.
function isElsewhere(target) {
  if (!(target instanceof Element)) return false
  if (target.closest("input, textarea, select, dialog, [contenteditable=true]")) return true
  return Boolean(target.closest("a, button, summary")) && !target.closest("#review")
}
