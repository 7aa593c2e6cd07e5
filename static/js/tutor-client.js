// The tutor's stream for pages without htmx: text grows in an element, as text. docs/clients.md shows its use.
import { StreamClient } from "./stream-client.js"

export class TutorClient {
  /**
   * element: where the answer's text goes; it is only ever set as text, never as markup.
   * on: {onTyping(isTyping), onMessageStart, onMessageDelta, onToolSuggestedTests, onMessageEnd, onError, onMessage,
   *      onState, onFail}; onMessage(text) gets the whole text once it is complete.
   */
  constructor(streamUrl, element = null, on = {}, options = {}) {
    this.text = ""
    const show = () => { if (element) element.textContent = this.text }
    const own = {
      ...on,
      onStreamStart: (data) => {
        // "exact" goes on where we were; after anything else the text is told anew.
        if (data.verdict !== "exact" || data.from?.endsWith("-0")) this.text = ""
        on.onStreamStart?.(data)
      },
      onMessageStart: (data) => {
        this.text = ""
        on.onTyping?.(true)
        on.onMessageStart?.(data)
      },
      onMessageDelta: (data) => {
        this.text += data.content
        show()
        on.onMessageDelta?.(data)
      },
      onMessageEnd: (data) => {
        on.onTyping?.(false)
        on.onMessageEnd?.(data)
        on.onMessage?.(this.text)
      },
      onFail: (error) => {
        on.onTyping?.(false)
        on.onFail?.(error)
      },
    }
    this.client = new StreamClient(streamUrl, own, { ...options, ends: new Set(["stream.close"]) })
  }

  open() {
    return this.client.open()
  }

  close() {
    this.client.close()
  }
}
