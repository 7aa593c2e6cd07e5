// One file on its way to a base: its row, its progress, why it was refused. Part of bases.js.
import { csrfToken } from "./request.js"

export class Upload {
  documentId = null
  isWaiting = true
  #request = null

  /** limits: {url, maxMb}; gone(): it is done with. */
  constructor(file, { url, maxMb }, gone) {
    Object.assign(this, { file, url, gone })
    this.row = element("li", "bases__upload")
    this.row.append(element("span", "bases__upload-name", file.name || "Pasted file"))
    this.bar = element("progress", "bases__bar")
    Object.assign(this.bar, { max: 1, value: 0 })
    this.bar.setAttribute("aria-label", `Uploading ${file.name}`)
    this.row.append(this.bar, this.#cross(`Stop uploading ${file.name}`))
    // Not sent at all: the site would refuse it.
    if (file.size > Number(maxMb) * 1024 * 1024) this.#refuse(`is larger than ${maxMb} MB; choose a smaller one.`)
  }

  async send() {
    this.isWaiting = false
    const request = (this.#request = new XMLHttpRequest())
    const body = new FormData()
    body.append("file", this.file, this.file.name || "pasted")
    request.upload.addEventListener("progress", ({ loaded, total }) => { this.bar.value = loaded / total })
    request.open("POST", this.url)
    request.responseType = "json"
    request.setRequestHeader("Accept", "application/json")
    request.setRequestHeader("X-CSRF-Token", csrfToken())
    const ended = new Promise((resolve) => request.addEventListener("loadend", resolve))
    request.send(body)
    await ended
    if (!this.row.isConnected) return
    if (request.status === 202) this.documentId = request.response[0].id
    else this.#refuse(said(request))
  }

  leave() {
    this.row.remove()
    this.gone()
  }

  #refuse(words) {
    this.isWaiting = false
    this.row.classList.add("bases__upload--refused")
    const reason = element("span", "bases__failed", words)
    reason.setAttribute("role", "alert")
    this.row.replaceChildren(this.row.firstElementChild, reason, this.#cross(`Dismiss ${this.file.name}`))
  }

  #cross(label) {
    const button = element("button", "attach__remove", "×")
    button.type = "button"
    button.setAttribute("aria-label", label)
    button.addEventListener("click", () => {
      this.leave()
      this.isWaiting = false
      this.#request?.abort()
    })
    return button
  }
}

function element(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text })
}

function said({ status, response }) {
  const why = response?.errors?.map((error) => error.message).join(" ") ?? response?.message
  if (why) return why
  return status ? "could not be taken in." : "did not arrive, the connection was lost. Add it again."
}
