// Moves a todo by its handle, with mouse, pen or finger. Without it, by the keyboard and in the todo's sheet. Part of todos.js.
const EDGE_PX = 64
const STEP_PX = 12

/** move(row): tells the site where a row stands by now. hold(): keeps the list still. */
export function attach(board, { move, hold }) {
  let drag = null

  board.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest("[data-grip]")
    if (!grip || event.button || drag) return
    const row = grip.closest(".todo")
    event.preventDefault()
    grip.setPointerCapture(event.pointerId)
    const home = { parent: row.parentElement, next: row.nextElementSibling }
    drag = { row, grip, home, pointer: event.pointerId, y: event.clientY, grabbed: event.clientY - row.getBoundingClientRect().top, release: hold(), frame: 0 }
    row.classList.add("todo--dragged")
    drag.frame = requestAnimationFrame(follow)
  })
  board.addEventListener("pointermove", (event) => { if (drag?.pointer === event.pointerId) drag.y = event.clientY })
  board.addEventListener("pointerup", (event) => { if (drag?.pointer === event.pointerId) end(true) })
  board.addEventListener("pointercancel", (event) => { if (drag?.pointer === event.pointerId) end(false) })
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !drag) return
    event.preventDefault()
    event.stopPropagation()
    end(false)
  }, true)

  function follow() {
    if (!drag) return
    const { row, y, grabbed } = drag
    scrollAtEdges(y)
    row.style.removeProperty("translate")
    let top = row.getBoundingClientRect().top
    const wanted = y - grabbed
    const next = row.nextElementSibling
    const before = row.previousElementSibling
    const middle = (other) => other.getBoundingClientRect().top + other.offsetHeight / 2
    if (next && wanted + row.offsetHeight > middle(next)) next.after(row)
    else if (before && wanted < middle(before)) before.before(row)
    top = row.getBoundingClientRect().top
    row.style.setProperty("translate", `0 ${Math.round(wanted - top)}px`)
    drag.frame = requestAnimationFrame(follow)
  }

  function end(isMeant) {
    const { row, home, release, frame } = drag
    cancelAnimationFrame(frame)
    drag = null
    row.classList.remove("todo--dragged")
    row.style.removeProperty("translate")
    const isMoved = row.nextElementSibling !== home.next
    if (isMoved && isMeant) move(row).then((isDone) => { if (!isDone) home.parent.insertBefore(row, home.next) }).finally(release)
    else {
      if (isMoved) home.parent.insertBefore(row, home.next)
      release()
    }
  }
}

function scrollAtEdges(y) {
  if (y < EDGE_PX) window.scrollBy(0, -STEP_PX)
  else if (y > window.innerHeight - EDGE_PX) window.scrollBy(0, STEP_PX)
}
