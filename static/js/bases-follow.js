// Connects to a base's progress whenever something is on its way. Part of bases.js.
/**
 * place: holds the element that connects. list: where the documents stand. uploads(): those that are not in it yet.
 */
export function follow(place, list, uploads) {
  const blank = document.querySelector("[data-follow-template]")
  let isOpen = place.firstElementChild !== null
  let isExpecting = false
  let awaited = [] // the first frame has their documents, or they stand on another page

  function connect() {
    isOpen = true
    isExpecting = false
    awaited = [...uploads()].filter((upload) => upload.documentId)
    // A new element, so that htmx connects anew; the first frame is the list as it is. And a new address: tabs that
    // share a connection (share.js) hear the end of the last one for a moment still.
    const fresh = blank.content.firstElementChild.cloneNode(true)
    fresh.setAttribute("hx-sse:connect", `${fresh.getAttribute("hx-sse:connect")}&again=${Date.now()}`)
    place.replaceChildren(fresh)
    window.htmx.process(place)
  }

  place.addEventListener("htmx:sse:close", ({ target, detail }) => {
    if (!target.isConnected || detail.reason === "removed" || detail.reason === "cleanup") return
    isOpen = false
    // What came just before the end may have been missed by it.
    if (isExpecting) connect()
  })
  place.addEventListener("htmx:sse:after:message", () => {
    for (const upload of awaited) upload.leave()
    awaited = []
  })
  // A row of an upload goes when its document is there, so that nothing jumps twice.
  new MutationObserver(() => {
    for (const upload of uploads()) if (upload.documentId && document.getElementById(`document-${upload.documentId}`)) upload.leave()
  }).observe(list, { childList: true })

  return {
    /** Something was added, or is to be read again. */
    expect() {
      isExpecting = true
      if (!isOpen) connect()
    },
  }
}
