// Follows a stream with the npm package `eventsource` and prints each event as a line of JSON, until `until`.
import { EventSource } from "eventsource"

const [url, until] = process.argv.slice(2)
const NAMES = ["stream.start", "message.start", "message.delta", "tool.suggested_tests", "message.end", "stream.close"]
const source = new EventSource(url)
for (const name of NAMES) {
  source.addEventListener(name, ({ data, lastEventId }) => {
    console.log(JSON.stringify([name, lastEventId, JSON.parse(data)]))
    if (name === until) source.close()
  })
}
source.onerror = ({ code }) => { if (code && source.readyState === source.CLOSED) process.exitCode = 1 }
