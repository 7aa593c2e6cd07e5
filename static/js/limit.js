// Counts a long text and keeps one that is too long from being sent. Without it the site refuses it.
const NEAR_LIMIT = 0.8

export function attach(field) {
  const most = Number(field.dataset.maxChars)
  const note = document.getElementById(field.dataset.note)

  const changed = () => {
    const length = [...field.value].length
    const over = length - most
    const counted = `${length.toLocaleString("en")} of ${most.toLocaleString("en")} characters`
    // Nothing is cut off: whoever pastes too much decides what to leave out.
    note.textContent = over > 0 ? `${counted}: ${over.toLocaleString("en")} too many. Shorten it before you send.` : length > most * NEAR_LIMIT ? counted : ""
    field.setCustomValidity(over > 0 ? `Shorten this by ${over.toLocaleString("en")} characters.` : "")
  }
  field.addEventListener("input", changed)
  changed()
}
