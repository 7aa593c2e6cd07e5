// Tells the site which zone this device's clock is of. Without it the account keeps its own, and its page changes it.
import { read, write } from "./browser-store.js"

const KEPT = "zone.kept"

export function attach(element) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone
  if (!here) return
  if (element instanceof HTMLInputElement) element.value = here
  else offer(element, here)
}

function offer(form, here) {
  const theirs = form.dataset.zone
  if (isSame(here, theirs) || read(KEPT) === `${here} ${theirs}`) return
  form.elements.zone.value = here
  form.querySelector("[data-here]").textContent = here
  form.querySelector("[data-use]").textContent = `Use ${here}`
  form.querySelector("[data-keep-zone]").addEventListener("click", () => {
    write(KEPT, `${here} ${theirs}`)
    form.hidden = true
    document.getElementById("quick-line")?.focus()
  })
  form.hidden = false
}

/** Whether two zones show the same time, in winter and in summer: then their names do not matter. */
function isSame(one, other) {
  const year = new Date().getFullYear()
  return [0, 6].every((month) => shown(one, new Date(Date.UTC(year, month, 15))) === shown(other, new Date(Date.UTC(year, month, 15))))
}

function shown(zone, moment) {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone, dateStyle: "short", timeStyle: "short" }).format(moment)
  } catch {
    return zone // one that this browser does not know
  }
}
