// Shows a chapter paragraph by paragraph, at the pace at which a child reads. Without it all is there at once.
import { Pace } from "./story-pace.js"

export function attach(story) {
  const text = story.querySelector("[data-text]")
  const bar = document.querySelector("[data-reveal-bar]")
  story.dataset.ready = ""
  if (!story.dataset.reveal || !bar) return
  const pace = new Pace(story, text, document.getElementById("next"))
  const pause = bar.querySelector("[data-pause]")
  const all = bar.querySelector("[data-all]")

  bar.hidden = false
  pause.addEventListener("click", () => {
    pace.isPaused ? pace.goOn() : pace.pause()
    pause.textContent = pace.isPaused ? pause.dataset.goOn : pause.dataset.wait
    pause.setAttribute("aria-pressed", String(pace.isPaused))
  })
  all.addEventListener("click", () => {
    pace.showAll()
    bar.hidden = true
  })
  story.addEventListener("story:told", () => pace.told())
  story.addEventListener("story:shown", () => { bar.hidden = true })
  // Who is read to is not kept waiting.
  story.addEventListener("story:read-to", ({ detail }) => pace.showUpTo(detail))
}
