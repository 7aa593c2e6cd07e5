// Says what an answer will probably cost before the question is sent. Without it the prices stand on their own page.
import { ask } from "./request.js"

const PAUSE_MS = 350

export function attach(form) {
  const place = form.querySelector("[data-estimate]")
  const text = form.querySelector("textarea")
  let timer = null
  let asked = 0

  const show = async () => {
    const number = ++asked
    if (!text.value.trim()) return void (place.textContent = "")
    const said = new FormData(form)
    const body = {
      message: text.value,
      media_files: said.getAll("media").map((id) => ({ id })),
      length: said.get("length") ?? undefined,
      interaction_id: said.get("interaction_id") || undefined,
    }
    const answer = await ask("POST", "/api/points/estimate", body).catch(() => null)
    if (number !== asked) return
    place.textContent = words(answer)
    place.classList.toggle("composer__estimate--short", answer !== null && answer.enough === false)
  }
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(show, PAUSE_MS)
  }
  for (const kind of ["input", "change", "rill:files"]) form.addEventListener(kind, soon)
  if (text.value) soon()
}

function words(answer) {
  if (!answer) return ""
  const points = answer.points === 1 ? "1 point" : `${answer.points} points`
  const about = `${answer.at_most ? "At most" : "About"} ${points}`
  return answer.enough === false ? `${about}; only ${answer.left} left` : about
}
