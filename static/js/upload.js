// Takes files by drop, paste or picker. Without it a form of its own sends them.
import { Attached } from "./attached.js"

export function attach(form) {
  const chat = form.closest(".chat")
  const tools = form.querySelector(".attach")
  const problem = form.querySelector(".attach__problem")
  const picker = form.querySelector("input[type=file]")
  const text = form.querySelector("textarea")
  const most = Number(tools.dataset.maxFiles)
  const maxBytes = Number(tools.dataset.maxMb) * 1024 * 1024
  let isWanted = false // Send was pressed while files were on their way

  const complain = (words) => { problem.textContent = words }
  const complainToo = (words) => complain([problem.textContent, words].filter(Boolean).join("\n"))
  const files = new Attached(form.querySelector(".attach__list"), text, {
    changed() {
      form.dispatchEvent(new CustomEvent("rill:files"))
      if (!isWanted || files.waiting) return
      isWanted = false
      complain("")
      form.requestSubmit()
    },
    failed(words) {
      if (isWanted) complain("")
      isWanted = false
      complainToo(words)
    },
  })

  function take(chosen) {
    complain("")
    for (const file of chosen) {
      if (files.count >= most) return complainToo(`A message takes at most ${most} files; “${file.name}” was left out.`)
      if (file.size > maxBytes) complainToo(`“${file.name}” is larger than ${tools.dataset.maxMb} MB. Choose a smaller file.`)
      else files.send(file)
    }
  }

  form.querySelector("[data-upload]").hidden = false
  form.querySelector("[data-pick]").addEventListener("click", () => picker.click())
  picker.addEventListener("change", () => {
    take([...picker.files])
    picker.value = ""
    text.focus()
  })
  chat.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])]
    if (pasted.length === 0) return
    event.preventDefault()
    take(pasted)
  })
  // Dropped beside the chat, the browser would open the file and leave the page.
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files")
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      chat.classList.add("chat--dropping")
    })
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) chat.classList.remove("chat--dropping") })
  document.addEventListener("drop", (event) => {
    chat.classList.remove("chat--dropping")
    if (!hasFiles(event)) return
    event.preventDefault()
    take([...event.dataTransfer.files])
  })
  // Before htmx hears of it.
  document.addEventListener("submit", (event) => {
    if (event.target !== form || files.waiting === 0) return
    event.preventDefault()
    event.stopImmediatePropagation()
    isWanted = true
    complain("Your message goes off as soon as the files are there.")
  }, true)
  form.addEventListener("rill:taken", () => {
    complain("")
    files.list.replaceChildren()
    files.keep()
  })
  form.addEventListener("rill:restored", ({ detail }) => {
    for (const file of detail.files ?? []) files.add(file)
    files.keep()
  })
}
