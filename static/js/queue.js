// Takes the next messages while an answer is being written, and sends them in turn. Without it they are sent at once.
import { read, watch, write } from "./browser-store.js"

const OF_THE_PAGE = new Set(["csrf_token", "interaction_id", "conversation_id", "session_id"]) // not of the message

export function attach(box) {
  const form = document.getElementById("ask")
  const turns = document.getElementById("turns")
  const list = box.querySelector("ol")
  const held = box.querySelector("[data-held]")
  let items = []
  let isSending = false
  let isForced = false
  let wasRunning = isRunning()

  function isRunning() {
    return turns.querySelector(".waiting") !== null
  }

  function show() {
    list.replaceChildren(...items.map(row))
    box.hidden = items.length === 0
    if (box.hidden) held.hidden = true
    for (const queued of list.querySelectorAll("form")) window.htmx.process(queued)
  }

  function change(now) {
    items = now
    write(box.dataset.keep, items)
    show()
  }

  const without = (id) => items.filter((item) => item.id !== id)

  function row(item) {
    const element = box.querySelector("template").content.cloneNode(true).firstElementChild
    const queued = element.querySelector("form")
    queued.dataset.id = item.id
    // Two tabs may send it; to the site it is one question.
    queued.setAttribute("hx-headers", JSON.stringify({ "Idempotency-Key": item.id }))
    element.querySelector("[data-text]").textContent = item.text
    element.querySelector("[data-edit]").addEventListener("click", () => {
      change(without(item.id))
      form.elements.message.value = item.text
      form.elements.message.dispatchEvent(new Event("input", { bubbles: true }))
      form.dispatchEvent(new CustomEvent("rill:restored", { detail: item }))
      form.elements.message.focus()
    })
    element.querySelector("[data-now]").addEventListener("click", () => {
      change([item, ...without(item.id)])
      isForced = true
      if (!isRunning()) send()
      else for (const stop of document.querySelectorAll("[data-stop]")) if (stop.offsetParent) stop.click()
    })
    element.querySelector("[data-remove]").addEventListener("click", () => change(without(item.id)))
    return element
  }

  function send() {
    const queued = list.querySelector("form")
    if (!queued || isSending) return
    isSending = true
    isForced = false
    held.hidden = true
    const page = [...new FormData(form)].filter(([field]) => OF_THE_PAGE.has(field))
    for (const [field, value] of [...page, ...items[0].values]) {
      queued.append(Object.assign(document.createElement("input"), { type: "hidden", name: field, value }))
    }
    queued.requestSubmit()
  }

  // Before htmx hears of it.
  document.addEventListener("submit", (event) => {
    if (event.target !== form || event.defaultPrevented || !(isRunning() || isSending)) return
    event.preventDefault()
    event.stopImmediatePropagation()
    const values = [...new FormData(form)].filter(([field]) => !OF_THE_PAGE.has(field))
    const files = [...form.querySelectorAll("[data-file]")].map((file) => JSON.parse(file.dataset.file))
    change([...items, { id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, text: form.elements.message.value, values, files }])
    form.dispatchEvent(new CustomEvent("rill:taken"))
  }, true)
  list.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    isSending = false
    if (ctx?.response && ctx.response.status < 400) change(without(ctx.sourceElement.dataset.id))
    else held.hidden = false
  })
  new MutationObserver(() => {
    const hasEnded = wasRunning && !isRunning() && !isSending
    wasRunning = isRunning()
    if (!hasEnded || items.length === 0) return
    const isComplete = [...turns.querySelectorAll(".outcome")].at(-1)?.matches(".outcome--completed")
    if (isComplete || isForced) send()
    else held.hidden = false
  }).observe(turns, { childList: true, subtree: true })

  const load = () => {
    items = (read(box.dataset.keep) ?? []).filter((item) => item?.id && Array.isArray(item.values))
    show()
  }
  watch(() => box.dataset.keep, load)
  load()
  held.hidden = items.length === 0 || isRunning()
}
