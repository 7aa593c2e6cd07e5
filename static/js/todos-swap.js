// Shows the list as it has become, without disturbing whoever is at work in it. Part of todos.js.
import { firstInView, keepFocus, whereFocusIs } from "./todos-focus.js"

let board = null
let held = null // the newest frame that came while nothing may move
let holds = 0
let turn = Promise.resolve()
let choice = "" // the filter that is shown

export function bind(element) {
  board = element
  choice = document.getElementById("todos-revision").dataset.choice
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

/**
 * Takes a frame; resolves when it is shown. One that is older than what is shown, or shows another filter than the one that
 * is chosen, is left out; isChosen: it is the answer to a choice.
 */
export function apply(html, isChosen = false) {
  if (isChosen) choice = choiceOf(html)
  if (holds > 0) {
    if (held === null || revisionOf(html) >= revisionOf(held)) held = keepToast(held, html)
    return turn
  }
  turn = turn.then(() => show(html)).catch((error) => console.error(error))
  return turn
}

async function show(html) {
  if (revisionOf(html) < Number(document.getElementById("todos-revision").value) || choiceOf(html) !== choice) return
  const focused = whereFocusIs(rows())
  const anchor = firstInView(rows())
  const before = new Set(rows().map((row) => row.id))
  await window.htmx.swap({ sourceElement: board, target: board, text: html, swap: "none" })
  if (anchor?.row.isConnected) {
    const moved = anchor.row.getBoundingClientRect().top - anchor.top
    if (moved) window.scrollBy({ top: moved, behavior: "instant" })
  }
  // What has come is marked for a moment; where all is new, another filter was chosen.
  const fresh = rows().filter((row) => !before.has(row.id))
  if (before.size === 0 || fresh.length < rows().length) for (const row of fresh) row.classList.add("todo--new")
  keepFocus(focused, rows())
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

/** A frame without a list, as one with a line's mistake, belongs to every filter. */
function choiceOf(html) {
  const found = /data-choice="([^"]*)"/.exec(html)
  return found ? found[1].replaceAll("&amp;", "&") : choice
}

export function rows() {
  return [...board.querySelectorAll("#todos-items .todo")]
}
