// Cuts a body into event-stream frames. Without it a frame that straddles two chunks would be lost.
/** Yields {id, event, data, retry} for each frame; keeps what straddles chunks, bytes and line ends alike. */
export async function* frames(chunks) {
  const decoder = new TextDecoder()
  let text = ""
  let frame = { id: undefined, event: "message", data: [], retry: undefined }
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true })
    let end
    while ((end = text.search(/\r\n|\n|\r(?=[^])/)) >= 0) {
      const line = text.slice(0, end)
      text = text.slice(end + (text.startsWith("\r\n", end) ? 2 : 1))
      if (line !== "") take(frame, line)
      else {
        if (frame.data.length || frame.retry !== undefined) yield { ...frame, data: frame.data.join("\n") }
        frame = { id: undefined, event: "message", data: [], retry: undefined }
      }
    }
  }
}

function take(frame, line) {
  const [, name, value] = /^([^:]*):? ?([^]*)$/.exec(line)
  if (name === "data") frame.data.push(value)
  else if (name === "event") frame.event = value
  else if (name === "id" && !value.includes("\0")) frame.id = value
  else if (name === "retry" && /^\d+$/.test(value)) frame.retry = Number(value)
}
