// Renames and deletes where the list stands, and closes its menus. Without it the forms lead back to the page.
import { ask } from "./request.js"

export function attach(list) {
  list.addEventListener("submit", async (event) => {
    const form = event.target
    if (!form.dataset.do) return
    event.preventDefault()
    const item = form.closest("[data-conversation]")
    const problem = item.querySelector(".past__problem")
    problem.textContent = ""
    try {
      await (form.dataset.do === "rename" ? rename(item, form) : remove(item))
    } catch (error) {
      problem.textContent = error.problem?.errors?.map(({ message }) => `The title ${message}.`).join(" ") ?? error.message
    }
  })
}

async function rename(item, form) {
  const { title } = await ask("PATCH", `/api/conversations/${item.dataset.conversation}`, { title: form.elements.title.value })
  form.elements.title.value = title
  item.querySelector(".past__title").textContent = title
  const summary = item.querySelector(".past__open")
  summary.setAttribute("aria-label", `Rename, export or delete “${title}”`)
  item.querySelector(".past__more").open = false
  summary.focus()
  if (!isShown(item)) return
  const heading = document.getElementById("chat-title")
  if (heading) heading.textContent = title
  document.title = document.title.replace(/^(\(\d+\) )?.* · Rill$/, (_, badge) => `${badge ?? ""}${title} · Rill`)
}

async function remove(item) {
  await ask("DELETE", `/api/conversations/${item.dataset.conversation}`)
  if (isShown(item)) return location.assign(document.querySelector("[data-shortcut=new]")?.href ?? "/history")
  const next = item.nextElementSibling ?? item.previousElementSibling
  item.remove()
  const focus = next?.querySelector(".past__link") ?? document.querySelector("main [data-focus]") ?? document.getElementById("main")
  focus.focus()
  document.dispatchEvent(new CustomEvent("rill:look"))
}

/** Whether the page shows this conversation. */
function isShown(item) {
  return [...document.querySelectorAll("main [data-conversation]:not(.past)")].some((one) => one.dataset.conversation === item.dataset.conversation)
}
