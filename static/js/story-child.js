// The child's screen: gives its elements their behaviour. Without it stories are read as plain pages, whole at once.
import * as aloud from "./story-aloud.js"
import * as bedtime from "./story-bedtime.js"
import * as live from "./story-live.js"
import * as once from "./story-once.js"
import * as reveal from "./story-reveal.js"
import * as words from "./story-words.js"

// In this order: a paragraph is split into words before it is shown and read.
const MODULES = new Map(Object.entries({ words, reveal, aloud, live, bedtime, once }))

for (const [name, module] of MODULES) {
  document.querySelectorAll(`[data-behavior~="${name}"]`).forEach((element) => module.attach(element))
}
// What was shown before a page was left is read anew: the story may have gone on, or the screen may be a grown-up's again.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload()
})
