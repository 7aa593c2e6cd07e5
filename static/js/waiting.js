// Counts how long the page has been waiting. Without it a reader sees only what is waited for.
const QUIET_S = 3
const LONG_S = 15

export function attach(line) {
  const elapsed = line.querySelector(".waiting__elapsed")
  const words = line.querySelector(".waiting__for").textContent
  if (words.startsWith("Writing")) return
  const began = Date.now()
  const timer = setInterval(() => {
    if (!line.isConnected) return clearInterval(timer)
    const seconds = Math.floor((Date.now() - began) / 1000)
    if (seconds < QUIET_S) return
    elapsed.textContent = `${seconds} s${seconds >= LONG_S ? ", still working" : ""}`
  }, 1000)
}
