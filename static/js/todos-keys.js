// Keys of the list, as "?" tells them. Without it every one of them is a button or a link. Part of todos.js.
import { read } from "./browser-store.js"
import { rows } from "./todos-swap.js"

/** move(row): tells the site where a row stands by now. sheet: opens what belongs to a todo. */
export function attach({ move, sheet }) {
  const isOn = () => read("shortcuts") !== "off"

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return
    const row = event.target.closest?.("#todos-items .todo")
    const done = row ? inList(event, row) : elsewhere(event)
    if (done) event.preventDefault()
  })

  function elsewhere(event) {
    if (event.key === "ArrowDown" && !event.altKey && isBefore(event.target)) return focus(rows()[0])
    if (event.shiftKey || !isOn() || (!event.altKey && isTyping(event.target))) return false
    return { a: add, z: undo }[event.key]?.() ?? false
  }

  function inList(event, row) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const way = event.key === "ArrowDown" ? 1 : -1
      return event.altKey ? shift(row, way, event.target) : focus(rows()[rows().indexOf(row) + way])
    }
    if (!isOn() || event.altKey || event.shiftKey || event.repeat) return false
    const path = `/todos/${row.dataset.todo}`
    const act = {
      a: add,
      z: undo,
      d: () => row.querySelector(".todo__check").click(),
      e: () => sheet.open(path, row.querySelector(".todo__item")),
      s: () => sheet.open(`${path}/when`, row.querySelector(".todo__item")),
      Delete: () => sheet.open(`${path}/delete`, row.querySelector(".todo__item")),
    }[event.key]
    act?.()
    return Boolean(act)
  }

  function shift(row, way, focused) {
    const other = way > 0 ? row.nextElementSibling : row.previousElementSibling
    // Where days decide upon the order, there is nothing to move.
    if (!other || !row.querySelector("[data-grip]")) return true
    if (way > 0) other.after(row)
    else other.before(row)
    focused.focus({ preventScroll: true })
    row.scrollIntoView({ block: "nearest" })
    move(row)
    return true
  }
}

/** Whether the list is what comes next: an empty line has no line below it either. */
function isBefore(target) {
  return Boolean(target.matches?.("#todos-title, .filters__link") || (target.id === "quick-line" && !target.value))
}

function focus(row) {
  const item = row?.querySelector(".todo__item")
  item?.focus()
  return Boolean(item)
}

function add() {
  document.getElementById("quick-line").focus()
  return true
}

/** As the button of the toast. */
function undo() {
  const button = document.querySelector("#todos-toast [data-undo]")
  button?.click()
  return Boolean(button)
}

function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null
}
