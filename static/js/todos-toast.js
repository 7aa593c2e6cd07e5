// What has just been done goes after a while; the way back is under Changes too. Part of todos.js.
const SHOWN_MS = 12_000

export function attach(place) {
  let timer
  const isWatched = () => place.matches(":hover, :focus-within")
  const wait = () => {
    clearTimeout(timer)
    if (!place.firstElementChild) return
    timer = setTimeout(() => (isWatched() ? wait() : place.replaceChildren()), SHOWN_MS)
  }
  new MutationObserver(wait).observe(place, { childList: true })
  wait()
  place.addEventListener("click", (event) => { if (event.target.closest("[data-toast-close]")) place.replaceChildren() })

  // On a narrow page the agent stands at the window's foot: this stands above it.
  const agent = document.getElementById("agent")
  if (agent) new ResizeObserver(() => {
    const isBelow = getComputedStyle(agent).insetBlockEnd === "0px"
    place.style.setProperty("--todos-foot", `${isBelow ? agent.offsetHeight : 0}px`)
  }).observe(agent)

  function say(words) {
    const box = Object.assign(document.createElement("div"), { className: "toast toast--bad" })
    box.append(Object.assign(document.createElement("p"), { className: "toast__text", textContent: words }))
    box.setAttribute("role", "alert")
    place.replaceChildren(box)
  }

  return {
    say,
    /** Shows why something was refused, from the site's page or fragment. */
    complain(html) {
      const notice = new DOMParser().parseFromString(html, "text/html").querySelector(".notice__text")
      say(notice?.textContent.trim() || "That did not work. Try again.")
    },
  }
}
