// Hides a page that was open before this browser was handed to a child. Without it such a tab shows what it showed.
const HOME = "/stories/child"

export function attach(page) {
  if (page.dataset.handed === undefined) return
  const look = () => {
    if (!/(?:^|; )rill_screen=child(?:;|$)/.test(document.cookie)) return
    page.hidden = true
    location.replace(HOME)
  }
  addEventListener("pageshow", ({ persisted }) => { if (persisted) look() })
  addEventListener("focus", look)
  document.addEventListener("visibilitychange", look)
}
