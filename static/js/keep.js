// Keeps what was typed across reloads, in this browser. Without it a reload empties the field.
import { read, write } from "./browser-store.js"

export function attach(field) {
  const kept = read(field.dataset.keep)
  const isGiven = field.hasAttribute("data-given") // by the link that led here
  const isTyped = field.value !== field.defaultValue // before this script was there
  if (isTyped) write(field.dataset.keep, field.value)
  else if (!isGiven && typeof kept === "string" && kept !== "" && kept !== field.value) {
    field.value = kept
    field.dispatchEvent(new Event("input", { bubbles: true }))
  }
  field.addEventListener("input", () => write(field.dataset.keep, field.value))
}
