// Enter sends, Escape stops, a long message is counted and one too long kept. Without it the Send button does all.
const NEAR_LIMIT = 0.8
const LOST = "The site could not be reached. Your message is still here; send it again in a moment."

export function attach(form) {
  const text = form.querySelector("textarea")
  const count = form.querySelector("[data-count]")
  const most = Number(text.dataset.maxChars)
  const problem = document.getElementById("ask-problem")
  let isSending = false

  const changed = () => {
    const length = [...text.value.trim()].length
    const isNear = length > most * NEAR_LIMIT
    // Nothing is cut off: a message that is too long waits until it has been shortened.
    const tooMany = length > most ? `, ${(length - most).toLocaleString("en")} too many` : ""
    count.textContent = isNear ? `${length.toLocaleString("en")} of ${most.toLocaleString("en")} characters${tooMany}` : ""
    count.classList.toggle("composer__count--near", isNear)
    text.setCustomValidity(tooMany && `Shorten the message by ${(length - most).toLocaleString("en")} characters, or attach the text as a file.`)
    // The same words sent again, after a lost connection, are one question to the site.
    form.setAttribute("hx-headers", JSON.stringify({ "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) }))
  }
  const clear = () => {
    text.value = ""
    text.dispatchEvent(new Event("input", { bubbles: true }))
    text.focus()
  }

  text.addEventListener("input", changed)
  text.addEventListener("keydown", (event) => {
    // An input method uses Enter to choose a word; 229 is what some browsers send then.
    if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return
    const always = event.ctrlKey || event.metaKey
    if (event.shiftKey && !always) return
    event.preventDefault()
    if (text.value.trim() && !isSending) form.requestSubmit()
  })
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return
    if (document.querySelector("dialog[open], :popover-open")) return
    const running = [...document.querySelectorAll("[data-stop]")].filter((button) => button.offsetParent)
    running.at(-1)?.click()
  })
  form.addEventListener("rill:taken", clear)
  form.addEventListener("htmx:before:request", () => { isSending = true })
  form.addEventListener("htmx:finally:request", () => { isSending = false })
  document.addEventListener("htmx:error", (event) => {
    const { sourceElement, response } = event.detail.ctx ?? {}
    if (response || !sends(sourceElement)) return
    isSending = false
    problem.replaceChildren(notice(LOST))
  })
  document.addEventListener("htmx:after:request", (event) => {
    const { sourceElement, response } = event.detail.ctx ?? {}
    if (!sends(sourceElement) || !response || response.status >= 400) return
    problem.replaceChildren()
    // The button for the first hint goes away; the focus stays near.
    if (sourceElement.closest(".chat__empty")) document.getElementById("chat-log").focus({ preventScroll: true })
    if (sourceElement !== form) return
    form.dispatchEvent(new CustomEvent("rill:taken"))
  })
  form.querySelector("[data-keys]").hidden = false
  changed()
  const isFree = document.activeElement === document.body && !location.hash
  if (isFree && "focus" in text.dataset && matchMedia("(hover: hover) and (pointer: fine)").matches) text.focus({ preventScroll: true })
}

/** Whether a request is a message, and not what the page asks by itself, as a meter does. */
function sends(element) {
  return Boolean(element?.closest?.(".chat__foot, .chat__empty, .related, .asks")) && !element.hasAttribute("hx-get")
}

function notice(words) {
  const box = document.createElement("p")
  box.className = "notice notice--bad"
  box.setAttribute("role", "alert")
  box.textContent = words
  return box
}
