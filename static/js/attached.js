// The files that go with a message: those that are there, and those on their way. Part of upload.js.
import { read, write } from "./browser-store.js"
import { csrfToken } from "./request.js"

export class Attached {
  /** list: where they stand; keeper: whose data-keep names them; changed(), failed(words): what to tell. */
  constructor(list, keeper, { changed, failed }) {
    Object.assign(this, { list, keeper, changed, failed, waiting: 0 })
    for (const item of list.querySelectorAll("[data-file]")) this.dress(item)
    for (const media of read(`files.${keeper.dataset.keep}`) ?? []) this.add(media)
    this.keep()
  }

  get count() {
    return this.list.children.length
  }

  keep() {
    write(`files.${this.keeper.dataset.keep}`, [...this.list.querySelectorAll("[data-file]")].map((item) => JSON.parse(item.dataset.file)))
    this.list.hidden = this.count === 0
    this.changed()
  }

  add({ id, name, kind, pages, thumbnail_url: picture = null, chars = 1 }) {
    if ([...this.list.querySelectorAll("[name=media]")].some((field) => field.value === id)) return
    const facts = [pages && `${pages} page${pages > 1 ? "s" : ""}`, kind === "pdf" && chars === 0 && "no text found"]
    const item = row(name, facts.filter(Boolean).join(", "))
    item.dataset.file = JSON.stringify({ id, name, kind, pages, thumbnail_url: picture, chars })
    if (picture) item.prepend(Object.assign(new Image(40, 40), { src: picture, alt: "" }))
    item.append(Object.assign(document.createElement("input"), { type: "hidden", name: "media", value: id }))
    this.dress(item)
    this.list.append(item)
  }

  dress(item) {
    item.append(cross(`Remove ${JSON.parse(item.dataset.file).name}`, () => {
      item.remove()
      this.keep()
    }))
  }

  /** Sends a file to the site, and shows how far it is. */
  send(file) {
    const item = row(file.name, "")
    const bar = Object.assign(document.createElement("progress"), { max: 1, value: 0 })
    const request = new XMLHttpRequest()
    let isGivenUp = false
    bar.setAttribute("aria-label", `Uploading ${file.name}`)
    item.append(bar, cross(`Stop uploading ${file.name}`, () => {
      isGivenUp = true
      request.abort()
    }))
    this.list.append(item)
    this.list.hidden = false
    this.waiting += 1
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      bar.value = loaded / total
      // The rest of the wait is for its pages to be read.
      if (loaded === total) item.querySelector(".attach__facts").textContent = "Reading…"
    })
    request.addEventListener("loadend", () => {
      this.waiting -= 1
      item.remove()
      if (request.status === 201) this.add(request.response)
      else if (!isGivenUp) this.failed(said(request, file))
      this.keep()
    })
    request.open("POST", "/api/media")
    request.responseType = "json"
    request.setRequestHeader("Accept", "application/json")
    request.setRequestHeader("X-CSRF-Token", csrfToken())
    const body = new FormData()
    body.append("file", file, file.name || "pasted")
    request.send(body)
  }
}

function row(name, facts) {
  const item = document.createElement("li")
  item.className = "attach__item"
  item.append(Object.assign(document.createElement("span"), { className: "attach__name", textContent: name, title: name }))
  item.append(Object.assign(document.createElement("span"), { className: "attach__facts", textContent: facts }))
  return item
}

function cross(label, act) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "attach__remove", textContent: "×" })
  button.setAttribute("aria-label", label)
  button.addEventListener("click", act)
  return button
}

function said({ status, response }, file) {
  const why = response?.errors?.map((error) => error.message).join(" ") ?? response?.message
  if (why) return `“${file.name}”: ${why}`
  return status ? `“${file.name}” could not be taken in.` : `“${file.name}” did not arrive, the connection was lost. Add it again.`
}
