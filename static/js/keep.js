// Keeps what was typed across reloads, in this browser. Without it a reload empties the field.
export function attach(field) {
  const key = `rill.${field.dataset.keep}`
  const store = storage()
  const kept = store?.getItem(key)
  if (kept !== null && kept !== undefined && kept !== field.value) {
    field.value = kept
    field.dispatchEvent(new Event("input", { bubbles: true }))
  }
  field.addEventListener("input", () => {
    if (field.value) store?.setItem(key, field.value)
    else store?.removeItem(key)
  })
}

function storage() {
  try {
    return window.localStorage
  } catch {
    return null // a browser that keeps nothing for this site
  }
}
