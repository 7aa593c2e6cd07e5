// Keeps the conversation one path: what follows a new version goes. Without it a reload shows the same.
import { named } from "./browser-store.js"

const SETTLED_MS = 1500

export function attach(log) {
  const turns = log.querySelector("#turns")

  new MutationObserver((changes) => {
    const added = changes.flatMap((change) => [...change.addedNodes])
    const turn = added.filter((node) => node instanceof Element && node.matches(".turn")).at(-1)
    if (!turn?.isConnected) return
    // What is answered now is the end of its path.
    if (turn.querySelector(".waiting")) while (turn.nextElementSibling) turn.nextElementSibling.remove()
    const { page, conversation } = turn.dataset
    if (!page || location.pathname.startsWith("/conversations/")) return
    const place = addressOf(page)
    if (place === location.pathname + location.search || location.pathname === page) return
    history.replaceState(history.state, "", place)
    named(conversation)
  }).observe(turns, { childList: true })

  // What goes on from an answer waits for its end.
  const settle = () => {
    const isRunning = turns.querySelector(".waiting") !== null
    for (const button of document.querySelectorAll("[data-way] button")) button.disabled = isRunning
  }
  settle()
  new MutationObserver(settle).observe(turns, { childList: true, subtree: true })

  // The balance changes when an answer begins, and once more when it has been paid.
  new MutationObserver((changes) => {
    const added = changes.flatMap((change) => [...change.addedNodes]).filter((node) => node instanceof Element)
    if (!added.some((node) => node.matches(".turn, .outcome"))) return
    for (const wait of [0, SETTLED_MS]) setTimeout(() => document.body.dispatchEvent(new Event("points-changed")), wait)
  }).observe(turns, { childList: true, subtree: true })

  // Another version: the page is fetched again, and only the conversation in it changes.
  log.addEventListener("submit", async (event) => {
    const form = event.target
    if (form.dataset.behavior !== "choose") return
    event.preventDefault()
    const place = form.closest(".turn").getBoundingClientRect().top
    const number = [...turns.querySelectorAll(".turn")].indexOf(form.closest(".turn"))
    const fromEnd = turns.querySelectorAll(".turn").length - number
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "text/html" } }).catch(() => null)
    if (!response?.ok) return form.submit()
    const whole = new DOMParser().parseFromString(await (await fetch(location.href, { headers: { Accept: "text/html" } })).text(), "text/html")
    // Where earlier turns were put in, the page as it is fetched does not hold this one.
    if (fromEnd > whole.querySelectorAll("#turns .turn").length) return location.assign(at(form))
    turns.replaceChildren(...whole.getElementById("turns").childNodes)
    window.htmx.process(turns)
    const turn = turns.querySelectorAll(".turn")[number]
    stay(log, turn, place)
    turn?.querySelector(".versions__step:not(:disabled)")?.focus({ preventScroll: true })
  })
}

/** A conversation's page; where it has part of a page, the rest of that stays as it is. */
function addressOf(page) {
  const there = new URL(page, location.origin)
  if (!there.search || there.pathname !== location.pathname) return page
  const all = new URLSearchParams(location.search)
  for (const passing of ["say", "at", "before", "after"]) all.delete(passing)
  for (const [name, value] of there.searchParams) all.set(name, value)
  return `${there.pathname}?${all}`
}

/** The page with the turns around the message that a form chooses. */
function at(form) {
  const there = new URL(addressOf(form.closest(".turn").dataset.page || location.pathname), location.origin)
  there.searchParams.set("at", form.message_id.value)
  there.hash = "at"
  return there
}

function stay(log, turn, place) {
  if (!turn) return
  const box = getComputedStyle(log).overflowY === "visible" ? document.scrollingElement : log
  box.scrollTop += turn.getBoundingClientRect().top - place
}
