// Turns the page to its night colours when the child's bedtime comes. Without it they come with the next page.
const LONGEST_MS = 2 ** 31 - 1

export function attach(element) {
  const wait = Number(element.dataset.bedtimeIn) * 1000
  if (!(wait > 0 && wait < LONGEST_MS)) return
  setTimeout(() => {
    document.documentElement.dataset.bedtime = ""
  }, wait)
}
