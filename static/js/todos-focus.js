// Keeps what one looks at and works with where it is while the list changes. Part of todos.js.
export function firstInView(rows) {
  if (window.scrollY < 1) return null
  const row = rows.find((each) => each.getBoundingClientRect().bottom > 0)
  return row ? { row, top: row.getBoundingClientRect().top } : null
}

export function whereFocusIs(rows) {
  const element = document.activeElement
  const row = element?.closest?.("#todos-items .todo")
  if (!row) return null
  const kind = [...element.classList].find((name) => name.startsWith("todo__"))
  return { element, id: row.id, kind, place: rows.indexOf(row) }
}

/** What had the focus and has gone leaves it to what stands there now. */
export function keepFocus(was, rows) {
  if (!was || (was.element.isConnected && document.activeElement === was.element)) return
  if (document.activeElement !== document.body && document.activeElement !== null) return
  const row = document.getElementById(was.id) ?? rows[Math.min(was.place, rows.length - 1)]
  const target = row?.querySelector(`.${was.kind ?? "todo__item"}`) ?? row?.querySelector(".todo__item")
  ;(target ?? document.getElementById("todos-title"))?.focus({ preventScroll: true })
}
