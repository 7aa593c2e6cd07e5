// Opens a dialog of the page. Without it a link leads to a page that does as much.
export function attach(control) {
  const dialog = document.getElementById(control.dataset.opens)
  if (!dialog) return
  control.hidden = false
  control.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return // a link for another tab
    event.preventDefault()
    control.closest("dialog")?.close()
    dialog.dispatchEvent(new CustomEvent("rill:open"))
  })
}
