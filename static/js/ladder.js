// Holds the next rung back until an attempt or a pause. Without it every rung can be chosen at once.
export function attach(ladder) {
  const rungs = [...ladder.querySelectorAll("[name=hint_level]")]
  const lock = ladder.querySelector("[data-lock]")
  const words = ladder.querySelector("[data-lock-words]")
  const quick = [...document.querySelectorAll("[data-quick]")]
  let highest = Number(ladder.dataset.highest)
  let opensAt = ladder.hasAttribute("data-attempted") || highest === 0 ? 0 : later()
  let isWaived = false
  let timer = null

  function later() {
    return Date.now() + Number(ladder.dataset.pause) * 1000
  }

  const level = () => Number(rungs.find((rung) => rung.checked)?.value ?? 1)
  const highestOpen = () => {
    if (isWaived) return 3
    return Math.max(1, Date.now() >= opensAt ? highest + 1 : highest)
  }

  function show() {
    const open = highestOpen()
    for (const rung of rungs) rung.disabled = Number(rung.value) > open
    if (level() > open) rungs[open - 1].checked = true
    const seconds = Math.ceil((opensAt - Date.now()) / 1000)
    lock.hidden = open >= 3
    words.textContent = seconds > 0
      ? `Next rung: after an attempt, or in ${seconds} s.`
      : "Each rung opens after the one before it."
    for (const form of quick) {
      const wanted = Math.min(3, Math.max(1, level() + Number(form.dataset.quick)))
      form.elements.hint_level.value = wanted
      form.querySelector("button").disabled = wanted > open
    }
    clearTimeout(timer)
    if (seconds > 0 && !isWaived) timer = setTimeout(show, 1000)
  }

  function asked(shown) {
    if (shown > highest) {
      highest = shown
      opensAt = later()
      isWaived = false
    }
    rungs.forEach((rung) => {
      if (Number(rung.value) <= highest) rung.closest("label").classList.add("ladder__rung--seen")
      rung.checked = Number(rung.value) === shown
    })
    show()
  }

  ladder.addEventListener("change", show)
  ladder.querySelector("[data-unlock]").addEventListener("click", () => {
    isWaived = true
    show()
  })
  document.addEventListener("htmx:after:request", (event) => {
    const { sourceElement, response } = event.detail.ctx ?? {}
    if (!response || response.status >= 400 || !(sourceElement instanceof HTMLFormElement)) return
    if (sourceElement.dataset.quick !== undefined) asked(Number(sourceElement.elements.hint_level.value))
    else if (sourceElement.id === "ask") asked(level())
    else if (sourceElement.action.endsWith("/submissions")) {
      opensAt = 0
      show()
    }
  })
  show()
}
