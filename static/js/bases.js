// Takes documents by drop, paste or picker, several at once, and shows how far each is. Without it a form sends them.
import { follow } from "./bases-follow.js"
import { Upload } from "./bases-upload.js"

const AT_ONCE = 2

export function attach(form) {
  const list = document.querySelector("[data-uploads]")
  const picker = form.querySelector("input[type=file]")
  const uploads = new Set()
  const progress = follow(document.querySelector("[data-follow]"), document.getElementById(form.dataset.list), () => uploads)
  let running = 0

  function next() {
    for (const upload of uploads) {
      if (running >= AT_ONCE) return
      if (!upload.isWaiting) continue
      running += 1
      upload.send().finally(() => {
        running -= 1
        if (upload.documentId) progress.expect()
        next()
      })
    }
  }

  function take(files) {
    for (const file of files) {
      const upload = new Upload(file, form.dataset, () => uploads.delete(upload))
      uploads.add(upload)
      list.append(upload.row)
    }
    next()
  }

  form.querySelector("[data-plain]").hidden = true
  form.querySelector("[data-drop]").hidden = false
  const pick = () => {
    take([...picker.files])
    picker.value = ""
  }
  picker.addEventListener("change", pick)
  // Chosen before this ran: the button that would have sent them is gone.
  pick()
  document.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])]
    if (pasted.length === 0) return
    event.preventDefault()
    take(pasted)
  })
  // Dropped beside the form, the browser would open the file and leave the page.
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files")
  const over = (isOver) => form.classList.toggle("bases__drop--over", isOver)
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      over(true)
    })
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) over(false) })
  document.addEventListener("drop", (event) => {
    over(false)
    if (!hasFiles(event)) return
    event.preventDefault()
    take([...event.dataTransfer.files])
  })
  window.addEventListener("beforeunload", (event) => { if (running > 0) event.preventDefault() })
  // Pasted texts, addresses and retries go by htmx.
  const problem = document.getElementById("bases-problem")
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
    const sender = ctx?.sourceElement
    if (sender?.tagName !== "FORM" || !ctx.response || ctx.response.status >= 400) return
    problem.replaceChildren()
    if ("resets" in sender.dataset) sender.reset()
    sender.closest("[popover]:popover-open")?.hidePopover()
    progress.expect()
  })
}
