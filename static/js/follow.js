// Follows an answer as it grows, unless the reader has scrolled away. Without it the reader scrolls.
const RELEASE_PX = 3
const NEAR_PX = 60
const FAR_PX = 200

export function attach(log) {
  const turns = log.querySelector("#turns") ?? log
  const pill = log.parentElement.querySelector("[data-latest]")
  const calm = matchMedia("(prefers-reduced-motion: reduce)")
  // Where passages stand before the answer, who reads them is not carried on by its end.
  const isCalm = log.closest(".search") !== null
  let isFollowing = true
  let mayFollow = !isCalm
  let lastTop = 0
  let ours = null

  const scroller = () => (getComputedStyle(log).overflowY === "visible" ? document.scrollingElement : log)
  const toEnd = (box) => box.scrollHeight - box.clientHeight - box.scrollTop
  const moveTo = (top, behavior = "instant") => {
    const box = scroller()
    ours = Math.max(0, Math.min(top, box.scrollHeight - box.clientHeight))
    box.scrollTo({ top: ours, behavior: calm.matches ? "instant" : behavior })
  }
  const showPill = () => {
    const distance = toEnd(scroller())
    if (distance > FAR_PX && turns.children.length > 0) pill.hidden = false
    if (distance < NEAR_PX || (isCalm && !turns.querySelector(".waiting"))) pill.hidden = true
  }

  const onScroll = () => {
    const box = scroller()
    // What we scrolled ourselves says nothing about what the reader wants.
    const isOurs = ours !== null && Math.abs(box.scrollTop - ours) < 2
    if (!isOurs && box.scrollTop < lastTop - RELEASE_PX) isFollowing = false
    if (toEnd(box) < NEAR_PX) isFollowing = true
    lastTop = box.scrollTop
    showPill()
  }
  log.addEventListener("scroll", onScroll, { passive: true })
  document.addEventListener("scroll", onScroll, { passive: true })

  new ResizeObserver(() => {
    const isRunning = turns.querySelector(".waiting")
    // Never moves at the end: what the reader reads stays where it is.
    if (isFollowing && mayFollow && isRunning) moveTo(scroller().scrollHeight)
    showPill()
  }).observe(turns)

  new MutationObserver((changes) => {
    const added = changes.flatMap((change) => [...change.addedNodes])
    const turn = added.filter((node) => node instanceof Element && node.matches(".turn")).at(-1)
    // What is read again, as another version, stays where the reader has it.
    if (!turn?.querySelector(".waiting")) return
    isFollowing = true
    mayFollow = !isCalm
    const box = scroller()
    const above = box === log ? log.getBoundingClientRect().top : 0
    moveTo(box.scrollTop + turn.getBoundingClientRect().top - above - 12, "smooth")
  }).observe(turns, { childList: true })

  pill?.addEventListener("click", () => {
    isFollowing = true
    mayFollow = true
    moveTo(scroller().scrollHeight, "smooth")
  })
  const last = turns.querySelector(".turn:last-child")
  if (!last || location.hash) return
  if (isCalm) last.previousElementSibling && last.scrollIntoView()
  else if (log !== document.scrollingElement) log.scrollTop = log.scrollHeight
}
