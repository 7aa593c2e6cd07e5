// Enter sends, Escape stops, a long message is counted. Without it the Send button does all.
const NEAR_LIMIT = 0.8

export function attach(form) {
  const text = form.querySelector("textarea")
  const count = form.querySelector("[data-count]")
  const problem = document.getElementById("ask-problem")

  const showCount = () => {
    const length = [...text.value].length
    const isNear = length > text.maxLength * NEAR_LIMIT
    count.textContent = isNear ? `${length} of ${text.maxLength} characters` : ""
    count.classList.toggle("composer__count--near", isNear)
  }

  text.addEventListener("input", showCount)
  text.addEventListener("keydown", (event) => {
    // An input method uses Enter to choose a word; 229 is what some browsers send then.
    if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return
    const always = event.ctrlKey || event.metaKey
    if (event.shiftKey && !always) return
    event.preventDefault()
    if (text.value.trim()) form.requestSubmit()
  })
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return
    const running = [...document.querySelectorAll("[data-stop]")].filter((button) => button.offsetParent)
    running.at(-1)?.click()
  })
  document.addEventListener("htmx:after:request", (event) => {
    const { sourceElement, response } = event.detail.ctx ?? {}
    if (!sourceElement?.closest?.(".chat__foot, .chat__empty") || !response || response.status >= 400) return
    problem.replaceChildren()
    // The button for the first hint goes away; the focus stays near.
    if (sourceElement.closest(".chat__empty")) document.getElementById("chat-log").focus({ preventScroll: true })
    if (sourceElement !== form) return
    text.value = ""
    text.dispatchEvent(new Event("input", { bubbles: true }))
    text.focus()
  })
  showCount()
}
