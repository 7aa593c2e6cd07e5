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

/** What was kept for a conversation that had no name yet is its own now. */
export function named(name) {
  for (const keeper of document.querySelectorAll("[data-keep$='.new']")) {
    const now = keeper.dataset.keep.replace(/new$/, name)
    for (const prefix of ["", "files."]) {
      const value = read(prefix + keeper.dataset.keep)
      write(prefix + now, value)
      write(prefix + keeper.dataset.keep, null)
    }
    keeper.dataset.keep = now
  }
}

/** Calls back when another tab changes this name, or the one that a function gives. */
export function watch(name, changed) {
  const now = typeof name === "function" ? name : () => name
  window.addEventListener("storage", (event) => { if (event.key === PREFIX + now()) changed() })
}
