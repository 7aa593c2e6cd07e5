// Keeps values in this browser, if it keeps any. Without it nothing survives a reload.
const PREFIX = "rill."

function storage() {
  try {
    return window.localStorage
  } catch {
    return null // a browser that keeps nothing for this site
  }
}

export function read(name) {
  try {
    return JSON.parse(storage()?.getItem(PREFIX + name) ?? "null")
  } catch {
    return null // something else's, or an older shape
  }
}

export function write(name, value) {
  try {
    if (value === null || value === "" || (Array.isArray(value) && value.length === 0)) storage()?.removeItem(PREFIX + name)
    else storage()?.setItem(PREFIX + name, JSON.stringify(value))
  } catch {
    // full: the page goes on without
  }
}

/** Calls back when another tab changes this name. */
export function watch(name, changed) {
  window.addEventListener("storage", (event) => { if (event.key === PREFIX + name) changed() })
}
