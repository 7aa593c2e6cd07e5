// Shows the list as it has become, without disturbing whoever is at work in it. Part of todos.js.
let board = null
let held = null // the newest frame that came while nothing may move
let holds = 0
let turn = Promise.resolve()

export function bind(element) {
  board = element
}

/** The address of a form, with the filter that the page shows by now. */
export function here(url) {
  return new URL(url, location.href).pathname + location.search
}

/** Nothing moves until what this returns is called: while something is dragged, or on its way to the site. */
export function hold() {
  holds += 1
  let isHeld = true
  return () => {
    if (!isHeld) return
    isHeld = false
    holds -= 1
    if (holds > 0 || held === null) return
    const frame = held
    held = null
    apply(frame)
  }
}

/** Takes a frame; resolves when it is shown. One that is older than what is shown is left out. */
export function apply(html) {
  if (holds > 0) {
    if (held === null || revisionOf(html) >= revisionOf(held)) held = keepToast(held, html)
    return turn
  }
  turn = turn.then(() => show(html)).catch((error) => console.error(error))
  return turn
}

async function show(html) {
  if (revisionOf(html) < Number(document.getElementById("todos-revision").value)) return
  const focused = whereFocusIs()
  const anchor = firstInView()
  const before = new Set(rows().map((row) => row.id))
  await window.htmx.swap({ sourceElement: board, target: board, text: html, swap: "none" })
  if (anchor?.row.isConnected) {
    const moved = anchor.row.getBoundingClientRect().top - anchor.top
    if (moved) window.scrollBy({ top: moved, behavior: "instant" })
  }
  // What has come is marked for a moment; where all is new, another filter was chosen.
  const fresh = rows().filter((row) => !before.has(row.id))
  if (before.size === 0 || fresh.length < rows().length) for (const row of fresh) row.classList.add("todo--new")
  keepFocus(focused)
}

/** A toast that was held is not lost when a frame without one comes after it. */
function keepToast(older, newer) {
  if (older === null || newer.includes('id="todos-toast"') || !older.includes('id="todos-toast"')) return newer
  return newer + older.slice(older.indexOf('<div id="todos-toast"'))
}

function revisionOf(html) {
  const found = /id="todos-revision" value="(\d+)"/.exec(html)
  return found ? Number(found[1]) : Infinity
}

export function rows() {
  return [...board.querySelectorAll("#todos-items .todo")]
}

function firstInView() {
  if (window.scrollY < 1) return null
  const row = rows().find((each) => each.getBoundingClientRect().bottom > 0)
  return row ? { row, top: row.getBoundingClientRect().top } : null
}

function whereFocusIs() {
  const element = document.activeElement
  const row = element?.closest?.("#todos-items .todo")
  if (!row) return null
  const kind = [...element.classList].find((name) => name.startsWith("todo__"))
  return { element, id: row.id, kind, place: rows().indexOf(row) }
}

/** What had the focus and has gone leaves it to what stands there now. */
function keepFocus(was) {
  if (!was || (was.element.isConnected && document.activeElement === was.element)) return
  if (document.activeElement !== document.body && document.activeElement !== null) return
  const all = rows()
  const row = document.getElementById(was.id) ?? all[Math.min(was.place, all.length - 1)]
  const target = row?.querySelector(`.${was.kind ?? "todo__item"}`) ?? row?.querySelector(".todo__item")
  ;(target ?? document.getElementById("todos-title"))?.focus({ preventScroll: true })
}
