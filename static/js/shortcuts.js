// Keys for what is done often, listed under "?" and switched off there. Without it everything is a button or a link.
import { read, watch, write } from "./browser-store.js"

const NAME = "shortcuts"
const BY_LETTER = { n: startNew, "/": focusField, c: copyAnswer, x: copyCode, r: again, j: () => beside("next"), k: () => beside("previous") }
const BY_CODE = { KeyN: "n", Slash: "/", KeyC: "c", KeyX: "x", KeyR: "r", KeyJ: "j", KeyK: "k" }
const isMac = /Mac|iPhone|iPad/.test(navigator.platform)

export function attach(dialog) {
  const box = dialog.querySelector("[data-switch]")
  const isOn = () => read(NAME) !== "off"
  const show = () => { box.checked = isOn() }

  for (const key of isMac ? document.querySelectorAll("[data-ctrl]") : []) key.textContent = "⌘"
  for (const key of isMac ? document.querySelectorAll("[data-alt]") : []) key.textContent = "⌥"
  show()
  watch(NAME, show)
  box.addEventListener("change", () => write(NAME, box.checked ? null : "off"))
  dialog.addEventListener("rill:open", () => { if (!dialog.open) dialog.showModal() })
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close() })

  document.addEventListener("keydown", (event) => {
    if (!isOn() || event.isComposing || event.defaultPrevented || event.keyCode === 229) return
    const act = actionOf(event, dialog)
    if (!act) return
    event.preventDefault()
    act()
  })
}

function actionOf(event, dialog) {
  const hasCommand = event.ctrlKey || event.metaKey
  const key = event.key.toLowerCase()
  if (hasCommand && key === "k" && !event.altKey && !event.shiftKey) return () => openOf("palette")
  if (hasCommand || document.querySelector("dialog[open]")) return null
  if (event.altKey) return event.shiftKey ? null : BY_LETTER[BY_CODE[event.code]]
  if (isTyping(event.target)) return null
  if (key === "?") return () => dialog.dispatchEvent(new CustomEvent("rill:open"))
  return event.repeat ? null : BY_LETTER[key]
}

function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null
}

function openOf(id) {
  document.getElementById(id)?.dispatchEvent(new CustomEvent("rill:open"))
}

/** Tells what a key has done, or why it could not. */
function say(words) {
  const line = document.getElementById("said")
  line.textContent = words
  clearTimeout(say.timer)
  say.timer = setTimeout(() => { line.textContent = "" }, 3000)
}

function press(control, did, without) {
  if (!control) return say(without)
  control.click()
  if (did) say(did)
}

function lastOf(selector) {
  return [...document.querySelectorAll(selector)].at(-1)
}

function startNew() {
  const way = document.querySelector("[data-shortcut=new]")
  const [, assistant] = location.pathname.split("/")
  if (way) way.click()
  else location.assign(["tutor", "search", "todos", "stories"].includes(assistant) ? `/${assistant}` : "/study")
}

function focusField() {
  const field = document.getElementById("message") ?? document.querySelector("main [data-focus]")
  if (field) field.focus()
  else say("There is no field for a message on this page.")
}

function copyAnswer() {
  press(lastOf("[data-behavior~=copy-answer]"), "Answer copied.", "There is no answer to copy.")
}

function copyCode() {
  press(lastOf(".answer pre .copy"), "Code copied.", "There is no code to copy.")
}

function again() {
  if (document.querySelector("#turns .waiting")) return say("An answer is being written; Esc stops it.")
  press(lastOf(".turn:last-child form[action$='/retry'] button"), "", "There is no answer to ask for again.")
}

function beside(way) {
  const current = lastOf("main [data-conversation]:not(.past)")?.dataset.conversation ?? ""
  location.assign(`/history/beside?way=${way}&current=${encodeURIComponent(current)}`)
}
